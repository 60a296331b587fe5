"""Laws of change tracking: what a run plans by what it remembers is what it plans when it reads everything."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import requests
from hypothesis import event, given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import BOUNDED, World
from tests.e2e.naive import Record, Row, Rules
from tests.e2e.test_laws import RECORD, ROW, RULES, SOURCE, behaviour, inserted, key_column, possible
from tests.e2e.test_laws import written as write_records
from tests.examples import examples

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
EXPIRED_ON = re.compile(r'("new_expiredon":")[^"]*')


@dataclass(frozen=True)
class Edit:
    """What a person does to one row: `value` goes into the column of that name; None in `column` deletes the row."""

    row: int
    column: str | None
    value: object


EDIT = st.one_of(
    st.builds(Edit, st.integers(0, 30), st.just("name"), st.sampled_from([None, "One", "two", "three"])),
    st.builds(Edit, st.integers(0, 30), st.just("numberofemployees"), st.sampled_from([None, 1, 2])),
    st.builds(Edit, st.integers(0, 30), st.just("fax"), st.sampled_from(["mine", "other"])),
    st.builds(Edit, st.integers(0, 30), st.just("key"), st.sampled_from([None, "A", "b", "Z", "Y"])),
    st.builds(Edit, st.integers(0, 30), st.just("new_expiredon"), st.sampled_from([None, "2019-01-01T00:00:00Z"])),
    st.builds(Edit, st.integers(0, 30), st.just("statecode"), st.sampled_from([0, 1])),
    st.builds(Edit, st.integers(0, 30), st.none(), st.none()),
)


@dataclass(frozen=True)
class Step:
    """What happens before a run: edits, rows that appear, what the source holds now, days that pass."""

    records: tuple[Record, ...]
    edits: tuple[Edit, ...]
    rows: tuple[Row, ...]
    days: int
    applied: bool


STEP = st.builds(
    Step,
    records=st.lists(RECORD, max_size=12).map(tuple),
    edits=st.lists(EDIT, max_size=4).map(tuple),
    rows=st.lists(ROW, max_size=2).map(tuple),
    days=st.sampled_from([0, 0, 0, 0, 8]),
    applied=st.sampled_from([True, True, False]),
)


class Clock:
    """The stand-in's clock, set by hand."""

    now = LONG_AGO

    def __call__(self) -> datetime:
        return self.now


CLOCK = Clock()


@pytest.fixture(scope="module")
def laws() -> Iterator[World]:
    """One world for all examples; each begins with an empty table and an empty store."""
    with tempfile.TemporaryDirectory() as folder, LocalDataverse(clock=CLOCK, expires_in_s=10**8) as dataverse:
        world = World(dataverse, Path(folder), {})
        (world.folder / "syncs").mkdir()
        (world.folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        yield world


def begin(world: World, rules: Rules, type_: str, *, soon: bool) -> None:
    """Two syncs that differ in one word; what is stamped `soon` was touched after any job began."""
    CLOCK.now = datetime.now(UTC) + timedelta(days=1) if soon else LONG_AGO
    world.clear("account")
    shutil.rmtree(world.folder / "state", ignore_errors=True)
    rest = behaviour(rules).replace("at_least: 1000000", "at_least: 1")
    filter_ = "  filter: \"fax eq 'mine'\"\n" if rules.filtered else ""
    on_null = f"  on_null: {'keep' if rules.keep_null else 'clear'}\n"
    for name, tracked in (("whole", "false"), ("tracked", "true")):
        destination = f"  entity: account\n  id_column: accountid\n  change_tracking: {tracked}\n{filter_}{on_null}"
        world.define(name, source=SOURCE.replace("{type}", type_), destination=destination, rest=rest)


def happen(world: World, step: Step, rules: Rules) -> None:
    """Let the step's outside part happen; what the server refuses did not."""
    CLOCK.now += timedelta(days=step.days, seconds=1)
    for row in step.rows:
        with world.dataverse.application.lock:
            taken = {str(found[key_column(rules)]).casefold() for found in world.dataverse.rows("account")}
        if not rules.unique or str(row.key).casefold() not in taken:
            for one in possible([row], rules):
                try_insert(world, inserted(one, rules))
    for edit in step.edits:
        ids = sorted(str(found["accountid"]) for found in world.dataverse.rows("account"))
        if not ids:
            return
        row_id = ids[edit.row % len(ids)]
        name = key_column(rules) if edit.column == "key" else edit.column
        try:
            if name is None:
                world.remove("accounts", row_id)
            else:
                world.edit("accounts", row_id, {name: edit.value})
        except requests.HTTPError:
            continue


def try_insert(world: World, values: dict[str, object]) -> None:
    """Insert, unless another row has the key."""
    try:
        world.dataverse.insert("account", [values])
    except Exception as error:  # noqa: BLE001 - the stand-in's own refusal; the law is about what is there
        assert "key" in str(error).lower(), error


def changes(world: World, job: Job) -> list[tuple[object, ...]]:
    """The rows of a stored plan. New ids and the moment of an expiry are each job's own."""
    path = world.folder / "state" / "jobs" / job.id / "plan.parquet"
    rows = duckdb.sql(
        "SELECT change, action, CASE WHEN action <> 'create' THEN id END, key, row_no, before, after, later, deferred "
        f"FROM '{path}' ORDER BY change"
    ).fetchall()
    return [tuple(EXPIRED_ON.sub(r"\1", cell) if isinstance(cell, str) else cell for cell in row) for row in rows]


def told(world: World, job: Job) -> dict[str, object]:
    """All that a plan tells, but for how the rows were read."""
    rejects = [(r.row, r.type, r.column, r.key, r.reason) for r in world.app.rejects(job.id)]
    return {
        "changes": changes(world, job),
        "planned": dict(job.planned),
        "source": job.source,
        "destination": job.destination,
        "brakes": [brake for brake in job.brakes if brake.name != "shrunken_source"],  # it looks at the sync's own past
        "skipped": job.skipped_cells,
        "rejects": rejects,
        "notes": [note for note in job.notes if "account were" not in note and "out of date" not in note],
    }


@settings(BOUNDED, max_examples=examples(6))
@given(
    rows=st.lists(ROW, max_size=10),
    steps=st.lists(STEP, min_size=2, max_size=4),
    rules=RULES,
    type_=st.sampled_from(["delimited", "json"]),
    soon=st.booleans(),
)
def test_a_tracked_plan_is_the_plan_of_a_whole_read(
    laws: World, rows: list[Row], steps: list[Step], rules: Rules, type_: str, soon: bool
) -> None:
    """After any edits, runs and changes of the source: same changes, balances, brakes, rejects and notes."""
    rules = replace(rules, delta=False)
    begin(laws, rules, type_, soon=soon)
    if kept := possible(rows, rules):
        laws.dataverse.insert("account", [inserted(row, rules) for row in kept])
    for step in steps:
        happen(laws, step, rules)
        write_records(laws, list(step.records), type_)
        whole, tracked = laws.plan("whole"), laws.plan("tracked")
        assert (whole.error, tracked.error) == (None, None)
        event("by change tracking" if "were told by" in tracked.notes[0] else "whole")
        assert told(laws, tracked) == told(laws, whole), tracked.notes
        if step.applied:
            job = laws.run("tracked")
            job = laws.apply(job) if job.state is JobState.AWAITING_APPROVAL else job
            assert job.error is None
