"""A key as a person writes it is found as the server would find it."""

from __future__ import annotations

import duckdb
import pytest

from shared.engine.same_key import same_key

GUID = "5e9f2b7a-1111-4222-8333-444455556666"


def found(wanted: str, shown: str, *kinds: str) -> bool:
    """Whether a key that a file shows is the one that is wanted."""
    test = same_key(wanted, kinds, accent_sensitive=False)
    ((same,),) = duckdb.execute(f"SELECT {test} FROM (SELECT $shown AS key)", {"shown": shown}).fetchall()
    return bool(same)


@pytest.mark.parametrize(
    ("wanted", "shown", "kinds"),
    [
        ("c-1001 ", "C-1001", ["text"]),
        ("strasse", "Straße", ["text"]),
        ("1001", "1001.00", ["money"]),
        ("007", "7", ["integer"]),
        ("{" + GUID.upper() + "}", GUID, ["uniqueidentifier"]),
        ("2026-01-31T08:00:00Z", "2026-01-31 08:00:00", ["datetime"]),
        ("c-1 | 1", "C-1 | 1.0", ["text", "decimal"]),
        ("a | b | c", "A | B | C", ["text", "text"]),
        ("A1", "a1", []),
        ("O'Neill", "o'neill", [""]),
    ],
)
def test_it_is_found_however_it_is_written(wanted: str, shown: str, kinds: list[str]) -> None:
    """By case, blanks, zeros, braces and ways to write a time; part by part where the key has several."""
    assert found(wanted, shown, *kinds)


@pytest.mark.parametrize(
    ("wanted", "shown", "kinds"),
    [
        ("007", "7", ["text"]),
        ("1001", "1002", ["integer"]),
        ("x", "7", ["integer"]),
        ("C-1 | 2", "C-1 | 1", ["text", "decimal"]),
        ("C-1", "C-1 | 1", ["text", "decimal"]),
        ("' OR TRUE --", "A1", ["text"]),
    ],
)
def test_another_record_is_not_mixed_in(wanted: str, shown: str, kinds: list[str]) -> None:
    """Zeros count in texts, and no text is taken for SQL."""
    assert not found(wanted, shown, *kinds)
