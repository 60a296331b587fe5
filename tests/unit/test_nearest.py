from __future__ import annotations

import pytest

from shared import nearest as rooms
from shared.nearest import nearest, one_text


def test_the_nearest_is_found_among_many() -> None:
    """A slip of the pen is found among thousands of names as among few; a name like none is like none."""
    many = [f"column_{number:04}" for number in range(2000)]
    for known in (["credit"], [*many, "credit", "creditlimit"]):
        assert nearest("crdit", known) == "credit"
        assert nearest("zzz", known) is None
    assert nearest("column_17 3", many) in many
    assert nearest("x" * 1000, ["x" * 1000]) is None


def test_what_one_text_may_ask_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are compared a bounded number of times for a text that somebody sends; afterwards as before."""
    compared = 0

    def counted(name: str, likely: list[str], *, n: int) -> list[str]:
        nonlocal compared
        compared += len(likely)
        return [name]

    monkeypatch.setattr(rooms, "get_close_matches", counted)
    known = [f"a_long_name_{number}" for number in range(300)]
    with one_text():
        told = [nearest(f"a_long_nam_{number}", known) for number in range(500)]
    assert compared <= 2500
    assert told[0] is not None
    assert told[-1] is None
    assert nearest("a_long", known) == "a_long"
