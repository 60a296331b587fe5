from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.canonical import form_of, key_text
from shared.columns import TypedColumn
from shared.engine.identity import new_id, next_derivation, sequence_start
from shared.mapping.cells import cell
from shared.mapping.compose import Mapping, Target
from shared.values.tables import Column, ColumnKind
from tests.examples import examples

CODE = form_of(Column("code", "Code", ColumnKind.TEXT, "String"))
NUMBER = form_of(Column("number", "Number", ColumnKind.INTEGER, "Integer"))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=6)


def mapping(*, accent_sensitive: bool = False) -> Mapping:
    source = TypedColumn("s", "text", "VARCHAR", may_be_absent=False)
    targets = tuple(Target(form, (source,), cell(CODE, source), key=True) for form in (CODE, NUMBER))
    return Mapping(targets, ("code", "number"), "rowid", accent_sensitive)


def ids(
    rows: list[tuple[int, str, int]],
    *,
    start: int | None = None,
    job: str = "j",
    environment: str = "E",
    table: str = "t",
) -> list[UUID]:
    """Ids of wanted rows (row number, code, number)."""
    sql = new_id(mapping(), environment=environment, table=table, job=job, sequence_start=start)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE wanted (row_no BIGINT, code VARCHAR, number INTEGER)")
        with connection.appender("wanted") as appender:
            appender.append_rows(rows)
        return [row[0] for row in connection.execute(f"SELECT {sql} FROM wanted w ORDER BY row_no").fetchall()]


def test_growing_ids_ascend_in_the_servers_order() -> None:
    """SQL Server sorts GUIDs by their last group first: there the ids grow with the rows, and from job to job."""
    rows = [(n, f"K{n}", n) for n in range(1, 2000)]
    first, later = ids(rows, start=sequence_start(LONG_AGO)), ids(rows, start=sequence_start(LONG_AGO) + (1 << 17))

    tails = [one.hex[20:] for one in [*first, *later]]

    assert tails == sorted(tails)
    assert len(set(first + later)) == len(first) * 2
    assert all(one.version == 8 and one.variant == "specified in RFC 4122" for one in first)


def test_growing_ids_of_two_jobs_in_one_second_differ() -> None:
    """Two jobs that begin in the same second choose other ids."""
    rows = [(1, "A", 1)]

    assert ids(rows, start=1, job="one") != ids(rows, start=1, job="two")


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.tuples(TEXTS, st.integers(0, 3)), min_size=2, max_size=30))
def test_derived_ids_are_one_per_key(keys: list[tuple[str, int]]) -> None:
    """Records have the same derived id exactly where the server sees the same key, whatever their row or job."""
    found = ids([(n, code, number) for n, (code, number) in enumerate(keys)])

    folded = [(key_text(code, accent_sensitive=False), number) for code, number in keys]
    pairs = [(a, b) for a in range(len(keys)) for b in range(a)]
    assert all((found[a] == found[b]) == (folded[a] == folded[b]) for a, b in pairs)
    assert found == ids([(n + 7, code, number) for n, (code, number) in enumerate(keys)], job="another")


@pytest.mark.parametrize("changed", [{"environment": "F"}, {"table": "u"}])
def test_derived_ids_belong_to_one_environment_and_table(changed: dict[str, str]) -> None:
    """The same key elsewhere has another id."""
    assert ids([(1, "A", 1)]) != ids([(1, "A", 1)], **changed)
    assert ids([(1, "A", 1)], environment="e") == ids([(1, "A", 1)], environment="E"), "its id in any case of letters"


def test_further_derivations_differ_and_repeat() -> None:
    """The next id is a function of the one before, and never comes back to it."""
    (first,) = map(str, ids([(1, "A", 1)]))

    chain = [first]
    for _ in range(50):
        chain.append(next_derivation(chain[-1]))

    assert len(set(chain)) == 51
    assert all(UUID(one).version == 8 for one in chain)
    assert next_derivation(first) == chain[1]
