"""A batch job and the listener of one sync write the same records at once: the newer version stays, whoever is late."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

import pytest

from shared.engine.realtime import claiming
from shared.state import LocalState
from shared.state.events import LocalLedger
from shared.values.events import LedgerEntry, Rule
from shared.values.jobs import Job
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.events import ACCOUNT, Feeds, delete, feeds, listening, only, put
from tests.e2e.stories import column
from tests.faults.powercut import Clocks, born

__all__ = ["feeds"]
PLAIN = ACCOUNT.but(
    columns={"no": "text", "name": "text", "staff": "number", "at": "number"},
    source={"type": "json", "path": "data.json"},
)
VERSIONED = listening(PLAIN.behaving(strategy="delta"), version="at")


def batch(world: World, *told: tuple[str, int]) -> Job:
    """A batch job over these records, each with its version."""
    world.write("data.json", json.dumps([{"no": no, "name": f"b{at}", "staff": at, "at": at} for no, at in told]))
    return closes(world.run("story"))


def before_it_sends(monkeypatch: pytest.MonkeyPatch, does: Callable[[], object]) -> None:
    """Do something when the job has its plan, before its first chunk."""
    sent = LocalState.mark_sent

    def overtaken(*arguments: object) -> None:
        does()
        monkeypatch.setattr(LocalState, "mark_sent", sent)
        sent(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(LocalState, "mark_sent", overtaken)


@pytest.fixture
def beside(monkeypatch: pytest.MonkeyPatch) -> dict[Rule, Callable[[], object]]:
    """What happens once, just before the ledger is changed by a rule; of `claimed`, just behind several claims."""
    todo: dict[Rule, Callable[[], object]] = {}
    change = LocalLedger.change

    def changed(self: LocalLedger, sync: str, entries: Iterable[LedgerEntry], rule: Rule) -> frozenset[str]:
        if rule is not claiming.claimed:
            todo.pop(rule, lambda: None)()
        told = list(entries)
        left = change(self, sync, told, rule)
        if rule is claiming.claimed and len(told) > 1:
            todo.pop(rule, lambda: None)()
        return left

    monkeypatch.setattr(LocalLedger, "change", changed)
    return todo


Beside = dict[Rule, Callable[[], object]]


def test_messages_that_come_while_a_job_writes_wait_for_it(world: World, feeds: Feeds, beside: Beside) -> None:
    """Then older ones are stale, newer ones are written, and of what Dataverse refused the job nothing is outdated."""
    feed = feeds(VERSIONED)
    feed.send(*(put(no, name="old", at=1) for no in ("A1", "A2", "A3")))
    step = world.dataverse.on(
        lambda one: one.refuse("no") if one.row.get("numberofemployees") == 7 else None, "account"
    )
    told = [put("A1", name="late", at=4), put("A2", name="new", at=6), put("A3", name="late", at=4)]
    beside[claiming.claimed] = lambda: feed.send(*told)

    job = batch(world, ("A1", 5), ("A2", 5), ("A3", 7), ("A4", 7))

    assert (job.source.updated, job.source.rejected) == (2, 2)
    assert {why for _, why in feed.parked()} == {"batch job"}
    assert feed.app.events.listener("story").state.value == "running"
    world.dataverse.remove(step)
    assert feed.release() == only(stale=1, updated=2)
    assert feed.send(put("A4", name="late", at=3)) == only(created=1)
    assert column(world, "name") == {"A1": "b5", "A2": "new", "A3": "late", "A4": "late"}


def test_what_the_listener_applied_first_is_not_overwritten(
    world: World, feeds: Feeds, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind the job's look and before its claim: a conflict. A claim between the listener's look and its note: the
    event is looked at once more with those behind it, and what a fold told before it is not lost."""
    feed = feeds(VERSIONED)
    feed.send(*(put(no, name="old", at=1) for no in ("A1", "A2", "A3")))
    before_it_sends(monkeypatch, lambda: feed.send(put("A1", name="new", at=9)))
    assert batch(world, ("A1", 5)).source.conflict == 1
    assert column(world, "name")["A1"] == "new"

    beside[claiming.applied] = lambda: batch(world, ("A2", 6), ("A3", 6))
    told = [put("A2", name="first", at=7), put("A2", staff=3, at=8), put("A3", name="first", at=7), delete("A3", at=8)]
    assert feed.send(*told, put("A4", at=1)) == only(parked=4, created=1)
    assert (column(world, "name")["A2"], column(world, "name")["A3"]) == ("b6", "b6")
    assert feed.release() == only(updated=2, folded=1, deleted=1)
    assert (column(world, "name")["A2"], column(world, "numberofemployees")["A2"]) == ("first", 3)


def test_what_tells_no_version_is_left_to_an_event_of_after_the_plan(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record without a version is not written over it, a row without a record is not deleted behind it; one that the
    listener deleted may be."""
    feed = feeds(listening(PLAIN.behaving(dropped="delete")))
    feed.send(*(put(no, name="old") for no in ("A1", "A2", "A3", "A4")))
    later = (put("A1", name="new"), put("A2", name="back"), delete("A4"))
    before_it_sends(monkeypatch, lambda: feed.send(*later))
    job = batch(world, ("A1", 5))
    assert (job.source.conflict, job.destination.refused, job.destination.deleted) == (1, 1, 2)
    assert column(world, "name") == {"A1": "new", "A2": "back"}


def test_the_claims_of_a_job_that_died_are_in_doubt(
    world: World, feeds: Feeds, beside: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its records' messages wait for who goes on with it, but not for ever: then what it wrote counts as written."""
    feed = feeds(VERSIONED)
    feed.send(put("A1", name="old", at=1), put("A2", name="old", at=1))

    def dies() -> None:
        raise KeyboardInterrupt

    beside[claiming.written] = dies
    with pytest.raises(KeyboardInterrupt):
        batch(world, ("A1", 5), ("A2", 5))
    assert feed.send(put("A1", name="late", at=4), put("A2", name="new", at=6)) == only(parked=2)
    monkeypatch.setattr(claiming, "PATIENCE", -claiming.PATIENCE)
    assert feed.release() == only(stale=1, updated=1)
    (dead,) = world.app.jobs(sync="story", limit=2)
    job = born(world.app, Clocks()).apply(dead.id, started_by="tester", progress=ignore)
    assert (job.source.updated, job.source.conflict) == (1, 1)
    assert column(world, "name") == {"A1": "b5", "A2": "new"}
    assert feed.send(put("A1", name="newer", at=6)) == only(updated=1)


def test_a_change_of_two_steps_outdates_messages_as_far_as_it_came(world: World, feeds: Feeds) -> None:
    """Refused, its link finds nothing to do and tells of no write; created, it counts, though its state is refused."""
    link = {"entity": "account", "column": "accountnumber", "missing": "defer"}
    maps = {**VERSIONED.maps, "parent": {"target": "parentaccountid", "link": link}, "state": "statecode"}
    feed = feeds(VERSIONED.but(columns={**VERSIONED.columns, "parent": "text", "state": "number"}, maps=maps))
    step = world.dataverse.on(lambda one: one.refuse("no") if one.row.get("name") == "bad" else None, "account")
    stay = world.dataverse.on(lambda one: one.refuse("no"), "account", "Update", columns=["statecode"])
    told = [{"no": "A1", "name": "bad", "parent": "A2"}, {"no": "A2", "parent": "A2"}, {"no": "A3", "state": 1}]
    world.write("data.json", json.dumps([{"name": "good", "state": 0, "at": 7} | one for one in told]))
    job = closes(world.run("story"))
    assert (job.source.created, job.source.rejected, len(world.dataverse.rows("account"))) == (1, 2, 2)
    world.dataverse.remove(step)
    world.dataverse.remove(stay)
    assert feed.send(*(put(no, name="late", at=3) for no in ("A1", "A2", "A3"))) == only(created=1, stale=2)
    assert column(world, "name") == {"A1": "late", "A2": "good", "A3": "good"}
