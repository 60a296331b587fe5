"""Stories of incremental syncs: only what is newer is read, and nothing that is not confirmed is ever passed over."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cli.root import dynsync
from shared.errors import NotFoundError, RefuseError
from shared.values.jobs import JobState
from tests.e2e.conftest import BOUNDED, World, closes
from tests.e2e.stories import NO_BRAKES, Sync, column
from tests.examples import examples

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "changed": "date"},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    source={"watermark": {"column": "changed", "overlap": "1h"}},
)
DAY = "2026-01-31T"


def mark(world: World) -> str | None:
    found = world.app.watermark("story")
    return str(found) if found else None


def test_a_file_is_read_from_the_watermark_on(world: World) -> None:
    """What is older than watermark less overlap is filtered; the boundary itself is read again."""
    assert ACCOUNT.run(world, ["A1", "One", f"{DAY}08:00Z"], ["A2", "Two", f"{DAY}10:00Z"]).source.created == 2
    assert mark(world) == f"{DAY}10:00:00.000000Z"
    job = ACCOUNT.run(
        world,
        ["A1", "not read", f"{DAY}08:59:59Z"],
        ["A3", "late", f"{DAY}09:00Z"],
        ["A2", "Two", f"{DAY}10:00Z"],
        ["A4", "no date", ""],
        ["A5", "new", f"{DAY}11:00Z"],
    )
    assert (job.source.filtered, job.source.created, job.source.unchanged) == (1, 3, 1)
    assert column(world, "name")["A1"] == "One"
    assert mark(world) == f"{DAY}11:00:00.000000Z"


def test_a_database_is_asked_for_what_is_newer(world: World) -> None:
    """Of a thousand rows the second run reads those that changed, and those within the overlap; nothing moves then."""
    with contextlib.closing(sqlite3.connect(world.folder / "erp.db")) as erp, erp:
        erp.execute("CREATE TABLE customers (no TEXT, name TEXT, changed INTEGER)")
        erp.executemany("INSERT INTO customers VALUES (?, ?, ?)", [(f"A{n}", "x", n) for n in range(1000)])
    source = {"type": "sql", "dialect": "sqlite", "path": "erp.db", "table": "customers"}
    sync = ACCOUNT.but(
        columns={"no": "text", "name": "text", "changed": "number"},
        source={**source, "watermark": {"column": "changed", "overlap": 2}},
    )
    sync.define(world)
    definition = world.folder / "syncs" / "story.yaml"
    definition.write_text(definition.read_text().replace('"type": "delimited", "path": "data.csv", ', ""))
    assert closes(world.run("story")).source.created == 1000
    assert mark(world) == "999"
    with contextlib.closing(sqlite3.connect(world.folder / "erp.db")) as erp, erp:
        erp.execute("UPDATE customers SET name = 'y', changed = 1001 WHERE no = 'A7'")
        erp.execute("UPDATE customers SET name = 'unseen' WHERE no = 'A996'")
    job = closes(world.run("story"))
    assert (job.source.read, job.source.updated, job.source.unchanged) == (4, 1, 3)
    assert mark(world) == "1001"
    world.dataverse.clear_requests()
    again = closes(world.run("story"))
    assert (again.source.read, again.source.unchanged, world.writes()) == (2, 2, [])
    assert mark(world) == "1001"


def test_a_plan_does_not_move_it(world: World) -> None:
    """Only when the plan has been carried out; a newer plan that takes its place brings its own."""
    ACCOUNT.plan(world, ["A1", "One", f"{DAY}08:00Z"])
    assert mark(world) is None
    second = ACCOUNT.plan(world, ["A1", "One", f"{DAY}09:00Z"])
    assert mark(world) is None
    world.apply(second)
    assert mark(world) == f"{DAY}09:00:00.000000Z"


@pytest.mark.parametrize("to", [f"{DAY}06:00Z", None, "2026-03-01"])
def test_a_plan_that_waits_does_not_overtake_a_person(world: World, to: str | None) -> None:
    """Who sets it, back or on, or takes it away, means the next run; a plan from before is applied and leaves it."""
    ACCOUNT.run(world, ["A1", "One", f"{DAY}08:00Z"])
    plan = ACCOUNT.plan(world, ["A1", "Uno", f"{DAY}10:00Z"], ["A2", "Two", f"{DAY}11:00Z"])
    world.app.set_watermark("story", to)
    wanted = mark(world)
    done = closes(world.apply(plan))
    assert (done.state, done.source.updated, done.source.created) == (JobState.SUCCEEDED, 1, 1)
    assert mark(world) == wanted
    assert "the watermark was set after this plan was made" in " ".join(done.notes)
    later = ACCOUNT.run(world, ["A0", "Early", f"{DAY}07:00Z"], ["A3", "Three", f"{DAY}12:00Z"])
    assert later.source.created == (0 if to == "2026-03-01" else 2)


def test_a_plan_moves_it_from_where_a_person_had_set_it(world: World) -> None:
    """What was set before the plan was made is where the plan began to read."""
    ACCOUNT.define(world)
    world.app.set_watermark("story", f"{DAY}06:00Z")
    world.apply(ACCOUNT.plan(world, ["A1", "One", f"{DAY}08:00Z"]))
    assert mark(world) == f"{DAY}08:00:00.000000Z"


def test_it_stays_while_something_is_not_confirmed(world: World) -> None:
    """A job that failed in its course, or has conflicts, leaves it; the next run reads the same records again."""
    ACCOUNT.run(world, ["A1", "One", f"{DAY}08:00Z"])
    plan = ACCOUNT.plan(world, ["A1", "Uno", f"{DAY}10:00Z"], ["A2", "Two", f"{DAY}11:00Z"])
    (row,) = world.dataverse.rows("account")
    world.edit("accounts", row["accountid"], {"name": "edited by a person"})
    done = closes(world.apply(plan))
    assert (done.source.conflict, done.source.created) == (1, 1)
    assert "the watermark stays where it is, as 1 records are not confirmed" in " ".join(done.notes)
    assert mark(world) == f"{DAY}08:00:00.000000Z"
    again = closes(world.run("story"))
    assert (again.source.updated, again.source.unchanged) == (1, 1)
    assert mark(world) == f"{DAY}11:00:00.000000Z"


def test_a_day_to_come_does_not_hide_the_present(world: World) -> None:
    """A clock that is ahead moves it to the start of the read and no further."""
    before = datetime.now(UTC)
    ACCOUNT.run(world, ["A1", "One", "9999-12-31T00:00Z"])
    kept = world.app.watermark("story")
    assert kept is not None
    assert isinstance(kept.value, datetime)
    assert before - timedelta(seconds=5) <= kept.value <= datetime.now(UTC)
    soon = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert ACCOUNT.run(world, ["A2", "Two", soon]).source.created == 1


def test_other_variables_are_other_records(world: World) -> None:
    """What was read of one region says nothing of another: a run for that one reads everything of it."""
    regional = ACCOUNT.but(
        columns={**ACCOUNT.columns, "region": "text"},
        source={**ACCOUNT.source, "filter": "region = @region"},
        rest={"variables": {"region": {}}},
    )
    rows = (["A1", "One", f"{DAY}12:00Z", "EMEA"], ["A2", "Two", f"{DAY}08:00Z", "NA"])
    assert regional.run(world, *rows, variables={"region": "EMEA"}).source.created == 1
    assert regional.run(world, *rows, variables={"region": "NA"}).source.created == 1
    late = (*rows, ["A3", "Three", f"{DAY}07:00Z", "NA"])
    again = regional.run(world, *late, variables={"region": "NA"})
    assert (again.source.created, again.source.unchanged) == (0, 0)  # before the overlap of what was read of NA
    world.app.set_watermark("story", f"{DAY}06:00Z")
    assert regional.run(world, *late, variables={"region": "NA"}).source.created == 1


def test_what_lies_before_it_closes_no_reject(world: World) -> None:
    """Such a record is left out because it was read before, not because the sync's filter wants it no more."""
    short = {"type": "text", "max_length": 3, "validate": True}
    sync = ACCOUNT.but(columns={**ACCOUNT.columns, "name": short}, source={**ACCOUNT.source, "filter": "name <> 'Out'"})
    before = ["A1", "Seven", f"{DAY}08:00Z"]
    assert sync.run(world, before, ["A2", "Two", f"{DAY}12:00Z"]).open_rejects == 1
    later = sync.run(world, before, ["A3", "Out", f"{DAY}13:00Z"])
    assert (later.source.filtered, later.open_rejects) == (2, 1)


def test_it_can_be_set_and_taken_away(world: World) -> None:
    """By a person, who may read a stretch again, or everything."""
    ACCOUNT.run(world, ["A1", "One", f"{DAY}08:00Z"])
    world.app.set_watermark("story", "2026-03-01")
    assert ACCOUNT.run(world, ["A2", "Two", f"{DAY}09:00Z"]).source.filtered == 1
    assert mark(world) == "2026-03-01T00:00:00.000000Z"
    world.app.set_watermark("story", None)
    assert ACCOUNT.run(world, ["A2", "Two", f"{DAY}09:00Z"]).source.created == 1
    with pytest.raises(RefuseError, match="write an ISO date"):
        world.app.set_watermark("story", "yesterday")
    with pytest.raises(NotFoundError):
        world.app.set_watermark("nobody", None)


def test_the_command_shows_and_moves_it(world: World) -> None:
    """In words and in JSON; --set and --reset exclude each other."""
    ACCOUNT.define(world)

    def says(*words: str) -> str:
        where = ["--syncs", str(world.folder / "syncs"), "--state", str(world.folder / "state")]
        return CliRunner(env={"COLUMNS": "120"}).invoke(dynsync, ["watermark", "story", *words, *where]).output

    assert says() == "story has no watermark: the next run reads everything.\n"
    assert (
        says("--set", "2026-03-01")
        == "story reads from changed 2026-03-01T00:00:00.000000Z on, and its overlap, where it has one, once more.\n"
    )
    told = {"sync": "story", "column": "changed", "watermark": "2026-03-01T00:00:00.000000Z"}
    assert json.loads(says("--json")) == told
    begins = [line.partition(", and its overlap")[0] for line in says("--set", "2026-04-01", "--dry-run").splitlines()]
    assert begins == [
        "With this, story reads from changed 2026-04-01T00:00:00.000000Z on",
        "Nothing was changed: story reads from changed 2026-03-01T00:00:00.000000Z on",
    ]
    reset = {"sync": "story", "column": None, "watermark": None, "dry_run": True}
    assert json.loads(says("--reset", "--dry-run", "--json")) == reset
    assert "is no value of changed" in says("--set", "soon", "--dry-run")
    assert "--dry-run goes with --set or --reset" in says("--dry-run")
    assert json.loads(says("--json")) == told
    assert says("--set", "9999-01-01").splitlines() == [
        "story reads from changed 9999-01-01T00:00:00.000000Z on, and its overlap, where it has one, once more.",
        "Warning: that is in the future: what changes before then is not read.",
    ]
    assert (
        says("--set", "2026-03-01")
        == "story reads from changed 2026-03-01T00:00:00.000000Z on, and its overlap, where it has one, once more.\n"
    )
    assert "not both" in says("--set", "2026-03-01", "--reset")
    assert mark(world) == told["watermark"]
    assert says("--reset") == "story has no watermark: the next run reads everything.\n"
    assert mark(world) is None


def test_another_column_begins_anew(world: World) -> None:
    """What was kept for one column says nothing of another; a sync without a watermark has none to set."""
    ACCOUNT.run(world, ["A1", "One", f"{DAY}08:00Z"])
    other = ACCOUNT.but(
        columns={"no": "text", "name": "text", "version": "number"}, source={"watermark": {"column": "version"}}
    )
    assert other.run(world, ["A2", "Two", "1"]).source.created == 1
    assert mark(world) == "1"
    ACCOUNT.but(source={}).define(world)
    assert mark(world) is None
    with pytest.raises(RefuseError, match="it reads everything each time"):
        world.app.set_watermark("story", "1")


def test_a_much_smaller_read_is_no_accident(world: World) -> None:
    """The brake for a shrunken source does not judge an incremental sync."""
    braked = ACCOUNT.behaving(brakes={name: limit for name, limit in NO_BRAKES.items() if name != "at_least"})
    braked.run(world, *([f"A{n}", "x", f"{DAY}08:00Z"] for n in range(100)))
    job = braked.run(world, ["A1", "new", f"{DAY}12:00Z"])
    assert (job.state, job.brakes) == (JobState.SUCCEEDED, ())


@settings(BOUNDED, max_examples=examples(10))
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=6),
        min_size=1,
        max_size=4,
    )
)
def test_incremental_runs_end_where_a_whole_one_does(world: World, history: list[list[tuple[int, int, int]]]) -> None:
    """As long as every change is stamped later than the last run's newest, runs of parts equal one of the whole."""
    world.clear("account")
    world.app.set_watermark("story", None) if "story" in world.app.sync_names() else None
    present: dict[str, list[object]] = {}
    clock = 0
    for changes in history:
        for number, name, minutes in changes:
            clock += minutes
            stamp = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=clock)
            present[f"A{number}"] = [f"A{number}", f"name {name}", stamp.isoformat()]
        ACCOUNT.run(world, *present.values())
    assert column(world, "name") == {str(no): name for no, name, _ in present.values()}
