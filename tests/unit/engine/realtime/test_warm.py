"""The warm workspace: whatever was done before, each batch finds what a fresh workspace would have found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.engine.realtime import warm
from shared.engine.realtime.warm import TIDY_EVERY, WarmWorkspace
from shared.engine.workspace import Limits, Row, Workspace, workspace_folder
from shared.errors import FailError
from tests.examples import examples

LIMITS = Limits(memory_mb=64, threads=1, disk_mb=100)
SOURCE = "CREATE OR REPLACE TABLE source (row_no BIGINT, name VARCHAR, staff VARCHAR)"
MAKE = "CREATE OR REPLACE TABLE wanted AS"
WANTED = f"{MAKE} SELECT row_no, upper(name) AS name, TRY_CAST(staff AS BIGINT) AS n FROM source"
OTHERWISE = f"{MAKE} SELECT TRY_CAST(staff AS BIGINT) AS n, row_no, lower(name) AS name FROM source"
NARROW = f"{MAKE} SELECT row_no, name FROM source WHERE name <> CAST($skip AS VARCHAR)"
ITSELF = f"{MAKE} SELECT row_no, max(name) AS name FROM wanted GROUP BY row_no"
CHANGED = "UPDATE wanted SET name = 'one' WHERE row_no = 1"
ADDED = "INSERT INTO wanted SELECT * FROM wanted WHERE row_no > 1"
FEWER = "DELETE FROM wanted WHERE name IS NULL"
DROPPED = "DROP TABLE wanted"
FOUND = "SELECT * FROM wanted ORDER BY ALL"
COUNTED = "SELECT count(*), count(DISTINCT name) FROM wanted WHERE name IN (SELECT upper(name) FROM source)"


@contextmanager
def opened(*, fresh: bool) -> Iterator[Workspace]:
    with workspace_folder() as folder:
        made = Workspace(folder, limits=LIMITS, kept=False) if fresh else WarmWorkspace(folder, limits=LIMITS)
        with made as workspace:
            workspace.seal()
            yield workspace


@dataclass(frozen=True)
class Work:
    """What a batch does: records, how `wanted` is made, what is done to it, and the text that a statement is given."""

    rows: list[tuple[str | None, str | None]]
    maker: str
    steps: list[str]
    skip: str

    def done(self, workspace: Workspace) -> list[list[Row]]:
        """Everything that the batch finds."""
        workspace.run(SOURCE)
        workspace.append("source", [(n, *row) for n, row in enumerate(self.rows, 1)])
        given: Mapping[str, object] = {"skip": self.skip} if self.maker is NARROW else {}
        told = [[(workspace.run(self.maker, given),)]]
        for step in self.steps:
            workspace.run(step)
            columns = ", ".join(f"{name} {type_}" for name, type_ in workspace.columns("wanted").items())
            told += [[(columns,)], workspace.rows(COUNTED), workspace.rows(FOUND)]
        workspace.run(DROPPED)
        return told


TEXTS = st.none() | st.sampled_from(["", "a", "A", "it's", "7", "8x", "ß"])
WORK = st.builds(
    Work,
    st.lists(st.tuples(TEXTS, TEXTS), max_size=4),
    st.sampled_from([WANTED, OTHERWISE, NARROW]),
    st.lists(st.sampled_from([CHANGED, ADDED, FEWER, ITSELF]), max_size=3),
    st.sampled_from(["a", "it's", "'; --", ""]),
)


@settings(deadline=None, max_examples=examples(60))
@given(st.lists(WORK, min_size=2, max_size=8))
def test_every_batch_finds_what_a_fresh_workspace_finds(batches: list[Work]) -> None:
    """Tables that come and go, in changing shapes, with statements that were prepared, forgotten and prepared again."""
    with opened(fresh=False) as kept:
        for work in batches:
            with opened(fresh=True) as fresh:
                assert work.done(kept) == work.done(fresh)


def test_what_comes_again_is_prepared_and_no_table_is_made_anew() -> None:
    """After a few batches DuckDB's catalogue is not touched any more: nothing has to be understood anew."""
    batch = Work([("a", "1"), ("b", "x")], WANTED, [CHANGED], "")
    with opened(fresh=False) as workspace:
        for _ in range(4):
            batch.done(workspace)
        before = [made(workspace) for _ in range(3)][-1]  # its own statements are kept, too
        for _ in range(3):
            batch.done(workspace)
        assert made(workspace) == before


def made(workspace: Workspace) -> tuple[list[Row], list[Row]]:
    tables = workspace.rows("SELECT table_name, table_oid FROM duckdb_tables() ORDER BY ALL")
    return tables, workspace.rows("SELECT name FROM duckdb_prepared_statements() ORDER BY ALL")


def test_memory_and_statements_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many batches and however many different statements: rows that were deleted are given back."""
    monkeypatch.setattr(warm, "MOST", 8)
    sizes = []
    with opened(fresh=False) as kept:
        assert isinstance(kept, WarmWorkspace)
        for number in range(4 * TIDY_EVERY):
            Work([("x" * 200, str(n)) for n in range(40)], WANTED, [], "").done(kept)
            kept.value(f"SELECT {number // 2}")
            kept.tidy()
            if (number + 1) % TIDY_EVERY == 0:
                sizes.append(kept.value("SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()"))
        assert kept.value("SELECT count(*) FROM duckdb_prepared_statements()") <= 8
    assert max(sizes[1:]) <= sizes[0] + (1 << 20), sizes


def test_a_statement_that_fails_leaves_nothing_behind() -> None:
    """Prepared or not, an error is told as ever, and the next batch is whole."""
    good, bad = Work([("a", "1")], WANTED, [], ""), "INSERT INTO wanted SELECT row_no, name, name::BIGINT FROM source"
    with opened(fresh=False) as kept:
        for _ in range(4):
            good_told = good.done(kept)
            kept.run(WANTED)
            with pytest.raises(Exception, match="Could not convert"):
                kept.run(bad)
        with opened(fresh=True) as fresh:
            assert good_told == good.done(fresh)


def test_a_table_is_emptied_where_there_is_one(tmp_path: Path) -> None:
    """So that a statement need not be carried out to find nothing."""
    (tmp_path / "spool").mkdir()
    with WarmWorkspace(tmp_path, limits=LIMITS) as workspace:
        assert not workspace.emptied("source")
        workspace.run(SOURCE)
        workspace.append("source", [(1, "a", "1")])
        assert workspace.emptied("source")
        assert workspace.value("SELECT count(*) FROM source") == 0


def test_what_runs_out_is_told_in_words() -> None:
    """The bounds of an ordinary workspace hold."""
    with opened(fresh=False) as workspace, pytest.raises(FailError, match="working memory"):
        workspace.run("CREATE TABLE big AS SELECT i, repeat('x', 1000) || i AS t FROM range(2000000) r(i)")
