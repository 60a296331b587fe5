"""Stories of sources over several jobs: files that come one by one, and tables whose columns change."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Mapping

import duckdb
import psycopg
import pytest

from shared.engine.workspace import Workspace
from shared.values.cases import ANY
from shared.values.jobs import Job, JobState
from shared.values.problems import Severity
from tests.e2e.conftest import World, ignore
from tests.e2e.stories import Sync, column
from tests.postgres import Server

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "staff": "number"},
    maps={"no": "accountnumber", "name": "name", "staff": "numberofemployees"},
    key=["accountnumber"],
)
NEW_FILES = ACCOUNT.but(source={"path": "in-*.csv"}).behaving(strategy="delta")


def start(world: World, sync: Sync) -> Job:
    sync.define(world)
    return world.run(sync.name)


def file(world: World, name: str, *lines: str) -> None:
    world.write(name, "\n".join(["no,name,staff", *lines]) + "\n")


def test_each_file_is_processed_once(world: World) -> None:
    """A new file, and one that was written again, are read; the others are not; without a new one nothing happens."""
    file(world, "in-1.csv", "A1,a,1")
    file(world, "in-2.csv", "A2,b,2")
    assert start(world, NEW_FILES).source.created == 2
    world.edit("accounts", column(world, "accountid")["A1"], {"name": "a person's"})
    none = start(world, NEW_FILES)
    assert (none.state, none.source.read) == (JobState.SUCCEEDED, 0)
    file(world, "in-2.csv", "A2,bb,2", "A3,c,3")
    again = start(world, NEW_FILES)
    assert (again.source.read, again.source.updated, again.source.created) == (2, 1, 1)
    assert column(world, "name") == {"A1": "a person's", "A2": "bb", "A3": "c"}
    assert start(world, NEW_FILES.but(source={"path": "in-*.csv", "processed": "again"})).source.read == 3


def test_a_file_is_not_forgotten_before_its_job_has_finished(world: World) -> None:
    """A plan that nobody applied has processed nothing; once it is applied, it has."""
    file(world, "in-1.csv", "A1,a,1")
    NEW_FILES.define(world)
    planned = world.plan(NEW_FILES.name)
    assert planned.state is JobState.AWAITING_APPROVAL
    again = world.plan(NEW_FILES.name)
    assert again.source.read == 1
    assert world.apply(again).state is JobState.SUCCEEDED
    assert start(world, NEW_FILES).source.read == 0


def test_a_full_sync_reads_every_file_each_time(world: World) -> None:
    """What is left out would look dropped; saying `skip` is a mistake that check names."""
    file(world, "in-1.csv", "A1,a,1")
    full = NEW_FILES.behaving(strategy="full", dropped="delete")
    assert start(world, full).source.created == 1
    assert start(world, full).destination.matched == 1
    full.but(source={"path": "in-*.csv", "processed": "skip"}).define(world)
    assert [problem.path for problem in world.app.check(full.name)] == ["source.processed"]


def parquet(world: World, cells: Mapping[str, str]) -> None:
    listed = ", ".join(f"{value} AS {name}" for name, value in cells.items())
    duckdb.execute(f"COPY (SELECT {listed}) TO '{world.folder}/data.parquet' (FORMAT parquet)").fetchall()


def test_a_type_that_changed_is_noticed_before_the_job(world: World) -> None:
    """With what it was and when; the job goes on, for the values may still fit."""
    sync = ACCOUNT.but(source={"type": "parquet", "path": "data.parquet"})
    parquet(world, {"no": "'A1'", "name": "'a'", "staff": "1"})
    first = start(world, sync)
    parquet(world, {"no": "'A1'", "name": "'a'", "staff": "'2'"})
    (problem,) = world.app.check(sync.name)
    assert (problem.severity, problem.found) == (Severity.WARNING, "the source's column 'staff' is VARCHAR now")
    assert problem.remedy.startswith(f"it was INTEGER in job {first.id}")
    job = start(world, sync)
    assert any("'staff' is VARCHAR now" in note for note in job.notes)
    assert job.source.updated == 1
    assert world.app.check(sync.name) == []


def test_a_column_that_is_gone_stops_the_job_before_it_reads(world: World) -> None:
    """Told once, with what it was; nothing is dropped and nothing cleared."""
    sync = ACCOUNT.but(source={"type": "sql", "dialect": "sqlite", "path": "erp.db", "table": "t"})
    with contextlib.closing(sqlite3.connect(world.folder / "erp.db")) as database:
        database.executescript("CREATE TABLE t (no, name, staff); INSERT INTO t VALUES ('A1', 'a', 1)")
        first = start(world, sync)
        database.executescript("ALTER TABLE t RENAME COLUMN staff TO people")
    (problem,) = world.app.check(sync.name)
    assert (problem.path, problem.found) == ("source.schema", "the source's column 'staff' is gone")
    job = start(world, sync)
    assert job.state is JobState.FAILED
    assert f"'staff' is gone: it was VARCHAR in job {first.id}" in str(job.error).replace(" (", ": ").replace(
        "; ", ": "
    )
    assert column(world, "name") == {"A1": "a"}


@pytest.mark.needs("postgresql")
def test_a_table_of_postgresql_is_kept_in_step(world: World, postgresql: Server) -> None:
    """From the secret to the rows of Dataverse: bound variables, nulls, and a table that is gone."""
    with psycopg.connect(postgresql.conninfo(), autocommit=True) as connection:
        connection.execute("CREATE TABLE story (no text, name text, staff int8, country text)")
        connection.execute("INSERT INTO story VALUES ('A1', 'a', 1, 'NL'), ('A2', NULL, 2, 'NL'), ('B1', 'x', 3, 'BE')")
        world.environ["DYNSYNC_SECRET_STORY__ERP"] = postgresql.conninfo()
        source = {"type": "sql", "dialect": "postgresql", "connection": {"secret": "story--erp"}, "table": "story"}
        sync = ACCOUNT.but(
            source={**source, "path": None, "filter": "country = @country"},
            rest={"variables": {"country": {"default": "NL"}}},
        )
        assert start(world, sync).source.created == 2
        assert column(world, "name") == {"A1": "a", "A2": None}
        assert start(world, sync).source.unchanged == 2
        connection.execute("DROP TABLE story")
    failed = start(world, sync)
    assert failed.state is JobState.FAILED
    assert 'relation "story" does not exist' in str(failed.error)


@pytest.mark.parametrize("changed", [2, 40])
def test_a_source_is_read_twice_at_most_where_little_changed(
    world: World, changed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Few records that need a closer look are copied, and kept from there; many are read where they are, as often.

    Either way what is kept of a reject is what the source said.
    """
    sync = ACCOUNT.but(columns={**ACCOUNT.columns, "staff": {"type": "number", "validate": True}})
    records = [[f"A{number}", "One", number] for number in range(40)]
    sync.run(world, *records)
    asked: list[str] = []
    run = Workspace.run

    def noting(self: Workspace, sql: str, *rest: object, **more: object) -> int:
        asked.append(sql)
        return run(self, sql, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Workspace, "run", noting)
    changes = [[f"A{number}", "Two", number] for number in range(changed - 1)] + [["A39", "Two", "many"]]

    job = sync.run(world, *changes, *records[changed - 1 : 39])

    assert (job.source.updated, job.source.rejected) == (changed - 1, 1)
    (reject,) = world.app.rejects(job.id)
    assert (reject.found, json.loads(reject.source or "")) == ("many", {"no": "A39", "name": "Two", "staff": "many"})
    readings = [sql for sql in asked if re.search(r"\b(FROM|JOIN) source\b", sql)]
    assert ["TABLE records", f"{'TABLE' if changed == 2 else 'VIEW'} closer"] == [
        found[1] for sql in readings if (found := re.search(r"CREATE OR REPLACE (\w+ \w+)", sql))
    ]
    assert len(readings) == 2
    replayed = world.app.replay(job.id, ANY, started_by="nia", progress=ignore, apply=True)
    assert replayed.source.rejected == 1
