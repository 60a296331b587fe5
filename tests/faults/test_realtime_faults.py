"""Real time when things break: answers that are lost, storms of throttling, stores that fail, lanes that move."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import StateError
from shared.values.events import Bucket, Hold
from tests.e2e.conftest import World, world
from tests.e2e.events import ACCOUNT, Feed, Feeds, delete, feeds, put
from tests.e2e.stories import column

__all__ = ["feeds", "world"]
ALL = [put(f"A{n}", name=f"n{n}", staff=n) for n in range(6)]


def calm(world: World) -> None:
    with world.dataverse.application.lock:
        world.dataverse.application.faults.clear()


def until_done(feed: Feed) -> None:
    """Release until nothing waits any more."""
    for _ in range(5):
        if not feed.parked():
            return
        feed.release()
    assert feed.parked() == []


@pytest.mark.parametrize("kind", ["drop_before", "drop_during", "drop_after", "drop_answer", "truncated", "deadlock"])
@pytest.mark.parametrize("path", ["CreateMultiple", "UpdateMultiple", "$batch"])
def test_a_lost_answer_doubles_and_loses_nothing(world: World, feeds: Feeds, kind: str, path: str) -> None:
    """Whatever became of the request, each row is there once, with the last values; each event has one bucket."""
    feed = feeds()
    feed.send(*ALL[:2], put("GONE", name="x"))
    world.dataverse.inject({"kind": kind, "path": path, "count": 1})
    counts = feed.send(*ALL[2:], put("A0", name="changed"), put("A1", staff=7), delete("GONE"))
    assert counts.total() == 7
    calm(world)
    until_done(feed)
    assert column(world, "name") == {"A0": "changed", **{f"A{n}": f"n{n}" for n in range(1, 6)}}
    assert column(world, "numberofemployees")["A1"] == 7
    assert len(world.dataverse.rows("account")) == 6
    assert feed.rejects() == []
    assert feed.app.listening.memory.listeners.pulse("story").total == 10


def test_a_short_storm_of_throttling_is_waited_for(world: World, feeds: Feeds) -> None:
    """A pause that the service names and that fits into the hold keeps the messages in hand."""
    feed = feeds()
    feed.send(ALL[0])
    world.dataverse.inject({"kind": "status", "status": 429, "count": 2, "headers": {"Retry-After": "1"}})
    assert feed.send(*ALL[1:])[Bucket.CREATED] == 5


def test_a_long_storm_of_throttling_parks(world: World, feeds: Feeds) -> None:
    """A longer one does not: the messages are stored and completed, and come when it is over."""
    feed = feeds()
    feed.send(ALL[0])
    world.dataverse.inject({"kind": "status", "status": 429, "count": 1000, "headers": {"Retry-After": "300"}})
    assert feed.send(*ALL[1:])[Bucket.PARKED] == 5
    assert feed.app.listening.memory.listeners.wish("story").hold is Hold.OUTAGE
    calm(world)
    until_done(feed)
    assert set(column(world, "name")) == {f"A{n}" for n in range(6)}


def test_refused_credentials_park_and_say_so(world: World, feeds: Feeds) -> None:
    """A listener that may not sign in has failed, and loses nothing."""
    feed = feeds()
    feed.send(ALL[0])
    world.dataverse.inject({"kind": "user_disabled", "count": 1000})
    assert feed.send(*ALL[1:])[Bucket.PARKED] == 5
    assert feed.app.events.listener("story").state.value == "failed"
    calm(world)
    until_done(feed)
    assert len(column(world, "name")) == 6
    assert feed.app.events.listener("story").state.value == "running"


@pytest.mark.parametrize("broken", ["ledger.change", "listeners.beat", "park.put", "rejected_events.note"])
def test_a_store_that_fails_after_the_write_changes_nothing_in_the_end(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """As if the process had died between the write and the settlement: the same messages come again, and do no harm."""
    feed = feeds()
    feed.send(put("A0", name="old"))
    batch = [feed.message(one) for one in (put("A0", name="new"), put("A1", name="b"), {"op": "melt", "no": "A2"})]
    part, _, method = broken.partition(".")
    with monkeypatch.context() as patched:

        def fails(*_: object, **__: object) -> None:
            raise StateError("the store is gone")

        patched.setattr(getattr(feed.app.listening.memory, part), method, fails)
        with pytest.raises(StateError):
            feed.take(*batch)
    world.dataverse.clear_requests()
    feed.restart()
    feed.take(*batch)
    assert column(world, "name") == {"A0": "new", "A1": "b"}
    assert len(world.dataverse.rows("account")) == 2
    assert [request for request in world.writes() if "CreateMultiple" in request] == []
    assert [one.reject.column for one in feed.app.listening.memory.rejected_events.first("story", limit=9)] == ["op"]


def test_a_lane_that_moves_while_the_first_instance_still_works(world: World, feeds: Feeds) -> None:
    """The first may start no write after its lock; the second has the lane, and what it wrote stays."""
    slow, quick = feeds(), feeds()
    slow.send(put("A1", name="first"))
    quick.app.listening.take("story", [slow.message(put("B1", name="warm"))])
    late = slow.message(put("A1", name="late"), locked_until=datetime.now(UTC) + timedelta(seconds=0.5))
    newer = slow.message(put("A1", name="newer"))
    world.dataverse.inject({"kind": "delay", "delay_s": 1.5, "method": "GET", "path": "accounts", "count": 1})
    first = threading.Thread(target=slow.take, args=(late,))
    first.start()
    entered = threading.Event()
    entered.wait(0.3)
    again = replace(late, locked_until=datetime.now(UTC) + timedelta(seconds=60))
    quick.app.listening.take("story", [again, newer])
    first.join(60)
    assert column(world, "name")["A1"] == "newer"
    until_done(slow)
    assert column(world, "name") == {"A1": "newer", "B1": "warm"}


def test_replay_after_newer_events_changes_nothing(world: World, feeds: Feeds) -> None:
    """All messages once more, in any order, after the last of them: nothing is written."""
    feed = feeds(ACCOUNT)
    told = [put("A1", name="a"), put("A2", name="b"), put("A1", name="c"), delete("A2"), put("A3", name="d")]
    messages = [feed.message(one) for one in told]
    for message in messages:
        feed.take(message)
    world.dataverse.clear_requests()
    counts = feed.take(*reversed(messages))
    assert (counts[Bucket.STALE], world.writes()) == (5, [])
    assert column(world, "name") == {"A1": "c", "A3": "d"}
