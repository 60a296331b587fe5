from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from shared.engine.applying import Applier
from shared.errors import AlreadyRunningError, RefuseError
from shared.state import LocalState
from shared.values.changes import Action
from shared.values.jobs import JobState, Lease
from tests.e2e.conftest import World, closes
from tests.faults.dying import Killed, apply_and_die, dying, killed_again_and_again

SOURCE = """
  type: delimited
  path: accounts.csv
  schema:
    - { name: no, type: text }
    - { name: name, type: text }
    - { name: state, type: text }
"""
DESTINATION = """
  entity: account
  id_column: accountid
  parallel: 1
"""
REST = """
mappings:
  - {{ source: no, target: {key} }}
  - {{ source: name, target: name }}
  - {{ source: state, target: statecode }}
behaviour:
  strategy: full
  key: [{key}]
  dropped: delete
  brakes: {{ removals: null, updates: null, creates: null, rejects: null }}
"""
FIRST = [("A1", "One"), ("A2", "Two"), ("A3", "Three"), ("A4", "Four"), ("A5", "Five"), ("A6", "Six")]
SECOND = [("A1", "1"), ("A2", "2"), ("A3", "3"), ("A7", "Seven"), ("A8", "Eight"), ("A9", "Nine")]


pytestmark = pytest.mark.usefixtures("no_pauses", "small_chunks")


def write(world: World, records: list[tuple[str, str]], *, inactive: str = "") -> None:
    lines = [f"{no},{name},{'Inactive' if no == inactive else 'Active'}\n" for no, name in records]
    world.write("accounts.csv", "no,name,state\n" + "".join(lines))


def begin(world: World, *, key: str = "accountnumber", rest: str = REST) -> None:
    """Six rows from a first run, and a second file that creates, updates and deletes three each.

    Those to delete hang below each other, so that each delete clears a link of the next.
    """
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=rest.format(key=key))
    write(world, FIRST)
    assert world.run("accounts").state is JobState.SUCCEEDED
    ids = {str(row[key]): row["accountid"] for row in world.dataverse.rows("account")}
    for child, parent in (("A5", "A4"), ("A6", "A5")):
        world.edit("accounts", ids[child], {"parentaccountid@odata.bind": f"/accounts({ids[parent]})"})
    write(world, SECOND, inactive="A9")
    world.dataverse.clear_requests()


def holds_second(world: World, key: str = "accountnumber") -> bool:
    rows = sorted((str(r[key]), r["name"], r["statecode"]) for r in world.dataverse.rows("account"))
    return rows == [(no, name, 1 if no == "A9" else 0) for no, name in SECOND]


@pytest.mark.parametrize("key", ["accountnumber", "new_externalkey"])
def test_killed_again_and_again_it_ends_as_one_clean_run(world: World, key: str) -> None:
    """Whatever instruction between two notes the process dies at, applying again ends as one clean run would."""
    begin(world, key=key)
    plan = world.plan("accounts")
    assert plan.planned == {Action.CREATE: 3, Action.UPDATE: 3, Action.DELETE: 3}

    deaths = killed_again_and_again(world, plan)

    job = closes(world.app.job(plan.id))
    assert deaths > 3, "not at every kind of moment"
    assert (job.state, job.source.created, job.source.updated, job.destination.deleted) == (JobState.SUCCEEDED, 3, 3, 3)
    assert holds_second(world, key)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("planned", [False, True])
def test_cut_connections_neither_lose_nor_double(world: World, kind: str, planned: bool) -> None:
    """Connections cut before or after the commit, at every kind of write, leave what one clean run leaves."""
    begin(world)
    plan = world.plan("accounts") if planned else None
    for message in ("CreateMultiple", "UpdateMultiple", "ExecuteBatch"):
        world.dataverse.inject({"kind": kind, "message": message, "count": 1})
        world.dataverse.inject({"kind": kind, "path": "$batch", "count": 1})

    job = closes(world.apply(plan) if plan else world.run("accounts"))

    assert (job.state, job.source.created, job.source.updated, job.destination.deleted) == (JobState.SUCCEEDED, 3, 3, 3)
    assert holds_second(world)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "headers": {"Retry-After": "0.01"}, "code": "0x80072322", "count": 2},
        {"kind": "status", "status": 503, "count": 2},
        {"kind": "expire_tokens", "count": 1},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_busy_or_forgetful_service_is_asked_again(world: World, fault: dict[str, object], method: str) -> None:
    """Throttling, outages and expired tokens, while reading and while writing, change nothing but the time."""
    begin(world)
    for path in ("/accounts", "$batch"):
        world.dataverse.inject({**fault, "method": method, "path": path})

    job = closes(world.run("accounts"))

    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert holds_second(world)


def test_a_job_that_fails_in_its_course_tells_what_it_did_and_goes_on(world: World) -> None:
    """Refused as a whole half-way: the balances count what was done, and applying again does the rest."""
    begin(world)
    forbidden = {"status": 403, "code": "0x80040225", "text": "The user has been disabled."}
    world.dataverse.inject({**forbidden, "message": "UpdateMultiple", "count": 100})

    job = closes(world.run("accounts"))

    # the third create has a second step, an update, which was refused: it is not settled
    assert (job.state, job.source.created, job.source.not_attempted) == (JobState.FAILED, 2, 4)
    assert job.destination.not_attempted == 3
    assert "disabled" in str(job.error)
    world.dataverse.application.faults.clear()
    done = closes(world.apply(job))
    assert (done.state, done.source.created, done.source.updated) == (JobState.SUCCEEDED, 3, 3)
    assert holds_second(world)


def test_a_brake_in_the_course_is_passed_by_approval(world: World) -> None:
    """Refusals beyond the brake stop an apply in its course; a person lets it go on."""
    rest = REST.replace("rejects: null", "rejects: 0%, at_least: 1").replace("dropped: delete", "dropped: ignore")
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=rest.format(key="new_externalkey"))
    bad = [(f"B{n}", "with a bell \a") for n in range(4)]
    write(world, bad + [(f"C{n}", "good") for n in range(4)])

    job = closes(world.run("accounts"))

    assert (job.state, [brake.name for brake in job.brakes]) == (JobState.AWAITING_APPROVAL, ["rejects"])
    assert (job.source.rejected, job.source.not_attempted) != (4, 0)
    for _ in range(4):
        if job.state is JobState.AWAITING_APPROVAL:
            job = closes(world.apply(job))
    assert (job.state, job.source.rejected, job.source.created) == (JobState.COMPLETED_WITH_ERRORS, 4, 4)


def seeded_with_foreign_rows(world: World, *, ids: int) -> list[str]:
    """A sync with derived ids whose one new row meets `ids` rows of other keys under its ids; gives those ids."""
    rest = REST.format(key="new_externalkey").replace("dropped: delete", "dropped: ignore")
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=rest)
    world.write("accounts.csv", "no,name,state\nK1,Mine,Inactive\n")
    (change,) = world.app.plan_sample(world.plan("accounts").id, limit=10)
    taken = [str(change.row_id)]
    world.dataverse.insert("account", [{"accountid": taken[0], "new_externalkey": "K1x", "name": "Other"}])
    if ids == 2:
        world.run("accounts")
        mine = next(row for row in world.dataverse.rows("account") if row["new_externalkey"] == "K1")
        world.edit("accounts", mine["accountid"], {"new_externalkey": "K1y", "name": "Third", "statecode": 0})
        taken.append(str(mine["accountid"]))
    return taken


@pytest.mark.parametrize("ids", [1, 2])
@pytest.mark.parametrize("method", ["record", "mark_sent"])
def test_an_id_that_another_key_holds_makes_way_for_the_next(world: World, ids: int, method: str) -> None:
    """An id of another key makes way for the next one: both steps go there, and a kill never doubles it."""
    foreign = seeded_with_foreign_rows(world, ids=ids)
    plan = world.plan("accounts")
    apply_and_die(world, plan, method, before=method == "record")

    job = closes(world.apply(plan))

    assert (job.state, job.source.created) == (JobState.SUCCEEDED, 1)
    rows = {str(row["accountid"]): row for row in world.dataverse.rows("account")}
    mine = [row for row in rows.values() if row["new_externalkey"] == "K1"]
    assert [(row["name"], row["statecode"]) for row in mine] == [("Mine", 1)]
    assert all(rows[row_id]["statecode"] == 0 for row_id in foreign)
    assert len(rows) == 1 + ids
    world.dataverse.clear_requests()
    assert world.run("accounts").source.unchanged == 1
    assert world.writes() == []


def test_a_cancelled_job_counts_what_it_did_and_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the course of an apply: the job is cancelled with true balances, and another apply does the rest."""
    begin(world)
    plan = world.plan("accounts")
    record = LocalState.record

    def interrupted(*arguments: object) -> None:
        record(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(LocalState, "record", interrupted)
        world.apply(plan)

    job = closes(world.app.job(plan.id))
    assert (job.state, job.source.created > 0, job.source.not_attempted > 0) == (JobState.CANCELLED, True, True)
    done = closes(world.apply(job))
    assert (done.state, done.source.created, done.source.updated) == (JobState.SUCCEEDED, 3, 3)
    assert holds_second(world)


def test_two_plans_and_two_applies_end_as_one(world: World) -> None:
    """The same plan applied by two people at once, and again later, writes everything once."""
    begin(world)
    plan = world.plan("accounts")
    with ThreadPoolExecutor(2) as pool:
        attempts = [pool.submit(world.apply, plan) for _ in range(2)]
        refused = [attempt.exception() for attempt in attempts]

    assert [type(error) for error in refused if error] in ([], [AlreadyRunningError], [RefuseError])
    job = closes(world.app.job(plan.id))
    assert (job.state, job.source.created, job.source.updated) == (JobState.SUCCEEDED, 3, 3)
    assert holds_second(world)


@pytest.mark.parametrize("kind", ["status", "drop_before"])
def test_an_outage_half_way_fails_the_job_and_apply_goes_on(world: World, kind: str) -> None:
    """When the service goes away, what was done is counted, the job fails with the remedy, and apply does the rest."""
    begin(world)
    world.dataverse.inject({"kind": kind, "message": "UpdateMultiple", "count": 1000})
    world.dataverse.inject({"kind": kind, "path": "$batch", "count": 1000})

    job = closes(world.run("accounts"))

    assert (job.state, job.source.created, job.source.updated) == (JobState.FAILED, 2, 0)
    assert not holds_second(world)
    world.dataverse.application.faults.clear()
    done = closes(world.apply(job))
    assert (done.state, done.source.created, done.source.updated) == (JobState.SUCCEEDED, 3, 3)
    assert holds_second(world)


def test_a_plan_that_was_made_while_a_start_stalled_is_gone_on_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start finds no plan and stalls; another plans and writes a part meanwhile: the first drafts nothing anew."""
    begin(world)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(LocalState, "put", dying(LocalState.put, before=True))
        world.run("accounts")
    (job,) = world.app.jobs(limit=1)
    state = LocalState(world.folder / "state")
    state.save(replace(job, state=JobState.RUNNING, error=None, finished_at=None))
    assert dict(job.planned) == {}
    acquire = LocalState.acquire

    def stalls(self: LocalState, *where: str, **when: Any) -> Lease:
        monkeypatch.setattr(LocalState, "acquire", acquire)
        assert apply_and_die(world, job, "record", before=False)
        return acquire(self, *where, **when)

    monkeypatch.setattr(LocalState, "acquire", stalls)
    done = closes(world.apply(job))
    assert (done.state, done.error) == (JobState.SUCCEEDED, None)
    assert (done.source.created, done.source.updated, done.destination.deleted) == (3, 3, 3)
    assert holds_second(world)


def test_a_plan_that_was_sent_in_other_portions_is_not_gone_on_with(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the program began it: nothing counts as done that is not, and a new plan does the rest."""
    begin(world)
    plan = world.plan("accounts")
    assert apply_and_die(world, plan, "record", before=False)
    world.dataverse.clear_requests()
    with monkeypatch.context() as patch:
        patch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=3))
        job = closes(world.apply(plan))
    assert (job.state, world.writes()) == (JobState.FAILED, [])
    assert "in other portions (1 to 2 where this one has 1 to 3)" in str(job.error)
    done = closes(world.run("accounts"))
    assert (done.state, done.source.created, done.source.unchanged) == (JobState.SUCCEEDED, 1, 2)
    assert holds_second(world)


def test_a_job_that_failed_tells_what_it_sent_and_how_long_it_took(world: World) -> None:
    """Its requests count, and the seconds of every apply are added up."""
    begin(world)
    plan = world.plan("accounts")
    world.dataverse.inject({"status": 403, "code": "0x80040225", "message": "UpdateMultiple", "count": 100})
    world.dataverse.inject({"status": 403, "code": "0x80040225", "path": "$batch", "method": "POST", "count": 100})
    failed = closes(world.apply(plan))
    assert failed.state is JobState.FAILED
    assert failed.requests["requests"] > plan.requests["requests"]
    world.dataverse.application.faults.clear()
    done = closes(world.apply(failed))
    assert done.requests["requests"] > failed.requests["requests"]
