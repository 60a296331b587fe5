"""Jobs to kill, and what one clean run of each leaves behind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from shared.engine.applying import Applier
from shared.values.jobs import DestinationBalance, Job, JobState, SourceBalance
from shared.wiring import LocalApp
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync, rejects

LINK = {"entity": "account", "column": "accountnumber", "missing": "defer"}
BASE = Sync(
    columns={"no": "text", "name": "text", "parent": "text", "credit": {"type": "number", "validate": True}},
    maps={
        "no": "accountnumber",
        "name": "name",
        "parent": {"target": "parentaccountid", "link": LINK},
        "credit": "creditlimit",
    },
    key=["accountnumber"],
    destination={"parallel": 1, "currency": "EUR"},
)
OLD = [{"accountnumber": f"A{n}", "name": f"old {n}"} for n in range(1, 7)]
NEW = (
    ["A1", "new 1", "B1", "1"],
    ["A2", "new 2", "", "2"],
    ["A3", "old 3", "A1", ""],
    ["B1", "made 1", "B2", ""],
    ["B2", "made 2", "B1", ""],
    ["B3", "made 3", "A2", "3"],
    ["C1", "bad", "", "much"],
)
ENDED = (JobState.SUCCEEDED, JobState.COMPLETED_WITH_ERRORS)


@dataclass(frozen=True)
class Story:
    """One kind of job."""

    name: str
    sync: Sync
    loose: bool = False

    def begin(self, world: World) -> None:
        """Six rows that stand there, and the file of the job to come."""
        world.clear("account")
        rows = [dict(row) for row in OLD]
        if self.loose:  # one of the new keys' ids may belong to another key; ids are derived, not chosen
            rows = [{**row, "new_externalkey": row["accountnumber"]} for row in rows]
        world.dataverse.insert("account", rows)
        self.sync.read(world, *NEW)


STORIES = {
    story.name: story
    for story in (
        Story("delete", BASE.behaving(dropped="delete")),
        Story("expire", BASE.behaving(dropped={"expire": "new_expiredon"})),
        Story("deactivate", BASE.behaving(dropped={"deactivate": "Inactive"})),
        Story(
            "derived",
            BASE.behaving(dropped="delete").but(
                key=["new_externalkey"],
                maps={
                    **BASE.maps,
                    "no": "new_externalkey",
                    "parent": {"target": "parentaccountid", "link": {**LINK, "column": "new_externalkey"}},
                },
            ),
            loose=True,
        ),
    )
}


@dataclass(frozen=True)
class Left:
    """What a job leaves: rows by key, both balances, rejects."""

    rows: dict[object, tuple[object, ...]]
    source: SourceBalance
    destination: DestinationBalance
    rejects: list[tuple[int | None, str, str | None]]
    state: JobState


def left(world: World, story: Story, job: Job) -> Left:
    """What stands there after a job."""
    key = story.sync.key[0]
    keys = {row["accountid"]: row[key] for row in world.dataverse.rows("account")}
    rows = {
        row[key]: (
            row["name"],
            keys.get(row["_parentaccountid_value"]),
            row["creditlimit"],
            row["statecode"],
            row["new_expiredon"] is not None,
        )
        for row in world.dataverse.rows("account")
    }
    assert len(rows) == len(keys), "a key stands twice"
    return Left(rows, closes(job).source, job.destination, rejects(world, job), job.state)


def start(app: LocalApp, mode: str) -> Job:
    """Start the job of a story, in one go, with an approval in between, or from the queue; or the undo of its job."""
    if mode.startswith("undo"):
        (job,) = app.jobs(limit=2)
        if mode == "undo from the queue":
            return app.queue_undo(job.id, by="tester", apply=True)
        return app.undo(job.id, started_by="tester", progress=ignore, apply=True)
    if mode == "queue":
        return app.queue("story", variables={}, files={}, started_by="tester", apply=True)
    return app.start("story", variables={}, files={}, started_by="tester", progress=ignore, apply=mode == "run")


def go_on(app: LocalApp, mode: str, stopping: Callable[[], bool] = lambda: False) -> Job:
    """Whatever brings the newest job on."""
    jobs = [job for job in app.jobs(limit=2) if bool(job.undoes) == mode.startswith("undo")]
    if not jobs:
        return start(app, mode)
    if jobs[0].state in ENDED:
        return jobs[0]
    if mode.endswith("queue"):
        return app.slice(jobs[0].id, progress=ignore, stopping=stopping)
    return app.apply(jobs[0].id, started_by="tester", progress=ignore)


SMALL: dict[str, object] = {
    "shared.dataverse.reading.PAGE_SIZE": 3,
    "shared.engine.reading.PAGES_AT_A_TIME": 1,
    "shared.engine.running.Applier": functools.partial(Applier, chunk_size=2),
    "shared.engine.undoing.originals.AT_A_TIME": 2,
    "shared.engine.undoing.going._AT_A_TIME": 2,
    "shared.engine.slicing.MOST_IDLE": 10_000,
    "shared.engine.leasing.LOOK_S": 30.0,
    "shared.dataverse.transport.Transport.wait": lambda _self, _seconds, **_: None,
}
"""Small pages and chunks, so that a small job has many instants; whoever dies often is not given up; nobody waits,
or looks around each second while it would."""
