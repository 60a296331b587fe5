"""Real time where order could be lost: what waits, what is put back, what is read late, what nobody wants any more."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.engine.realtime import listening as listening_module
from shared.engine.realtime import releasing
from shared.errors import StateError, UnavailableError
from shared.values.events import Hold, Wish
from tests.e2e.conftest import World, world
from tests.e2e.events import ACCOUNT, Feed, Feeds, delete, feeds, listening, only, put
from tests.e2e.stories import column

__all__ = ["feeds", "world"]
LONG_S = 60.0
LINKED = ACCOUNT.but(
    columns={**ACCOUNT.columns, "parent": "text"},
    maps={
        **ACCOUNT.maps,
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "accountnumber"}},
    },
)
NO_ANSWER = {"kind": "status", "status": 503, "count": 1000, "headers": {"Retry-After": "0"}}


def calm(world: World) -> None:
    with world.dataverse.application.lock:
        world.dataverse.application.faults.clear()


def wishes(feed: Feed, wish: Wish) -> None:
    feed.app.listening.memory.listeners.change("story", lambda _: wish)


def row(world: World, no: str) -> tuple[object, object]:
    """Name and staff of a row."""
    return column(world, "name").get(no), column(world, "numberofemployees").get(no)


# ---- behind what waits


def test_a_record_with_many_pages_of_waiting_events_keeps_its_order(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the first waits, all others do, however many pages they fill; nothing that one told is lost."""
    monkeypatch.setattr(releasing, "PAGE", 2)
    feed = feeds(LINKED)
    feed.send(put("C1", name="first", parent="P1"))
    for number in range(6):
        feed.send(put("C1", staff=number))
    feed.release()
    assert len(feed.parked()) == 7
    assert column(world, "name") == {}
    feed.send(put("P1", name="p"))
    while feed.parked():
        feed.release()
    assert row(world, "C1") == ("first", 5)


def test_a_message_of_many_events_keeps_the_order_of_each_record(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is applied in several strokes: an event of a later one does not pass one of its record that waits."""
    monkeypatch.setattr(listening_module, "MOST", 2)
    feed = feeds(LINKED)
    told = [put("C1", name="first", parent="P1"), put("B1"), put("B2"), put("C1", staff=7)]
    assert feed.send(told) == only(parked=2, created=2)
    feed.send(put("P1"))
    feed.release()
    assert row(world, "C1") == ("first", 7)


def test_in_one_batch_nothing_passes_an_event_that_waits(world: World, feeds: Feeds) -> None:
    """What follows an event without its parent in the same batch, of the same record, waits with it; others do not."""
    feed = feeds(LINKED)
    told = [put("C1", name="first", parent="P1"), put("C1", staff=7), put("B1", name="b")]
    assert feed.send(*told) == only(parked=2, created=1)
    feed.send(put("P1"))
    feed.release()
    assert row(world, "C1") == ("first", 7)


def test_what_is_replayed_goes_behind_what_waits(world: World, feeds: Feeds) -> None:
    """A reject that is replayed while an earlier event of its record waits does not pass it."""
    feed = feeds(LINKED)
    step = world.dataverse.on(lambda one: one.refuse("no") if one.row.get("name") == "odd" else None, "account")
    odd = feed.message(put("C1", name="odd"), number=7)
    assert feed.take(odd) == only(rejected=1)
    assert feed.take(feed.message(put("C1", staff=3, parent="P1"), number=5)) == only(parked=1)
    world.dataverse.remove(step)
    assert feed.app.events.replay_events("story") == only(parked=1)
    assert feed.rejects() == []
    feed.take(feed.message(put("P1"), number=8))
    feed.release()
    assert row(world, "C1") == ("odd", 3)


def test_nothing_is_replayed_while_the_listener_is_off(world: World, feeds: Feeds) -> None:
    """It waits with the others, and comes with them."""
    feed = feeds()
    step = world.dataverse.on(lambda one: one.refuse("no"), "account")
    assert feed.send(put("A1", name="a")) == only(rejected=1)
    world.dataverse.remove(step)
    wishes(feed, Wish(on=False))
    assert feed.app.events.replay_events("story") == only(parked=1)
    assert column(world, "name") == {}
    wishes(feed, Wish(on=True))
    assert feed.release() == only(created=1)
    assert feed.app.events.listener("story").pulse.total == 1


# ---- while the definition is broken


def broken(world: World) -> None:
    (world.folder / "syncs" / "story.yaml").write_text("name: story\nsource: [", encoding="utf-8")


def test_messages_of_a_broken_definition_keep_their_order(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are kept as they came, and what comes after the mending waits behind them; each column's last one counts."""
    monkeypatch.setattr(releasing, "PAGE", 2)
    feed = feeds()
    feed.number = 7
    broken(world)
    feed.restart()
    for staff in (8, 9, 10):
        assert feed.send(put("A1", name=f"n{staff}", staff=staff)) == only(parked=1)
    assert feed.send(delete("B1")) == only(parked=1)
    ACCOUNT.define(world)
    feed.restart()
    assert feed.send(put("A1", staff=11), put("B1", name="b")) == only(parked=2)
    while feed.parked():
        feed.release()
    assert (row(world, "A1"), row(world, "B1")) == (("n10", 11), ("b", None))
    assert feed.app.events.listener("story").pulse.total == 6


def test_what_waited_before_the_definition_broke_goes_first(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that waits for its parent, one that came while nothing could be read, one after that: in this order."""
    monkeypatch.setattr(releasing, "PAGE", 1)
    feed = feeds(LINKED)
    feed.send(put("C1", name="a", staff=1, parent="P1"))
    broken(world)
    feed.restart()
    feed.send(put("C1", name="b", staff=2))
    LINKED.define(world)
    feed.restart()
    feed.send(put("C1", name="c"), put("P1"))
    while feed.parked():
        feed.release()
    assert row(world, "C1") == ("c", 2)


def test_an_event_in_binary_form_survives_a_broken_definition(world: World, feeds: Feeds) -> None:
    """What stands in a message's properties is kept with it."""
    sync = listening(ACCOUNT, format="cloudevents", action="type")
    feed = feeds(sync)
    properties = {"cloudEvents:specversion": "1.0", "cloudEvents:type": "customer.updated"}
    broken(world)
    feed.restart()
    assert feed.take(feed.message({"no": "A1", "name": "a"}, properties=properties)) == only(parked=1)
    sync.define(world)
    feed.restart()
    assert feed.release() == only(created=1)


# ---- versions


def test_an_event_without_a_version_does_not_make_a_record_forget_its_own(world: World, feeds: Feeds) -> None:
    """A partial message, or a delete, that tells no version is applied; older versions stay stale after it."""
    feed = feeds(listening(ACCOUNT.but(columns={**ACCOUNT.columns, "at": "number"}), version="at"))
    assert feed.send(put("A1", name="v5", at=5)) == only(created=1)
    assert feed.send(put("A1", staff=3)) == only(updated=1)
    assert feed.send(put("A1", name="v4", at=4)) == only(stale=1)
    assert feed.send(delete("A1")) == only(deleted=1)
    assert feed.send(put("A1", name="v4", at=4)) == only(stale=1)
    assert feed.send(put("B1", name="v5", at=5), put("B1", staff=1), put("B1", name="v3", at=3)) == only(
        created=1, folded=1, stale=1
    )
    assert column(world, "name") == {"B1": "v5"}


# ---- the brake


def test_deletes_that_waited_are_braked_too(world: World, feeds: Feeds) -> None:
    """A pause or an outage is no way around the brake: what is too much waits on, until a person has looked."""
    feed = feeds(ACCOUNT.behaving(brakes={"removals": "50%", "at_least": 2}))
    feed.send(*(put(f"A{n}", name="a") for n in range(6)))
    wishes(feed, Wish(on=False))
    feed.send(*(delete(f"A{n}") for n in range(5)), put("A5", name="b"))
    wishes(feed, Wish(on=True))
    feed.app.listening.release_all(by="timer")
    assert len(column(world, "name")) == 6
    assert feed.app.events.listener("story").state.value == "parked"
    assert feed.app.listening.memory.listeners.wish("story").hold is Hold.BRAKED
    assert feed.release() == only(deleted=5, updated=1)
    assert column(world, "name") == {"A5": "b"}


def test_a_person_who_has_not_seen_the_deletes_does_not_release_them(world: World, feeds: Feeds) -> None:
    """The first call tells what it would delete, the second one lets it go."""
    feed = feeds(ACCOUNT.behaving(brakes={"removals": "50%", "at_least": 2}))
    feed.send(*(put(f"A{n}", name="a") for n in range(6)))
    wishes(feed, Wish(on=False))
    feed.send(*(delete(f"A{n}") for n in range(5)))
    wishes(feed, Wish(on=True))
    assert feed.release() == only(parked=5)
    assert "5 deletes within an hour" in feed.app.events.listener("story").why
    assert feed.release() == only(deleted=5)


def test_deletes_that_wait_on_are_counted_once(world: World, feeds: Feeds) -> None:
    """What is looked at again and again, or delivered twice, is not braked for that."""
    feed = feeds(LINKED.behaving(brakes={"removals": "50%", "at_least": 2}))
    feed.send(*(put(f"A{n}", name="a") for n in range(6)))
    feed.send(put("A1", parent="P1"), delete("A1"))
    again = feed.message(delete("A9"))
    for _ in range(4):
        feed.release()
        feed.take(again)
    assert feed.app.listening.memory.listeners.wish("story").hold is None
    feed.send(put("P1"))
    feed.release()
    assert set(column(world, "name")) == {"A0", "A2", "A3", "A4", "A5", "P1"}


# ---- skipped on purpose


def test_a_backlog_that_waits_is_skipped_too(world: World, feeds: Feeds) -> None:
    """Switched on again from now on, a listener leaves out what it parked meanwhile, and says how many that were."""
    feed = feeds()
    wishes(feed, Wish(on=False))
    sent = datetime.now(UTC) - timedelta(hours=1)
    feed.take(*(feed.message(put(f"A{n}", name="old"), enqueued_at=sent) for n in range(3)))
    feed.app.events.start_from("story", datetime.now(UTC) - timedelta(minutes=1))
    feed.app.events.switch("story", on=True)
    assert feed.send(put("A2", name="new"), put("B1", name="new")) == only(parked=1, created=1)
    assert feed.release() == only(skipped=3, created=1)
    assert column(world, "name") == {"A2": "new", "B1": "new"}
    counts = feed.app.events.listener("story").pulse.counts
    assert (counts["skipped"], counts["parked"]) == (3, 0)


# ---- what could not be read


def test_what_could_not_be_read_is_replayed_when_the_definition_is_mended(world: World, feeds: Feeds) -> None:
    """A wrong format, or a wrong name of the operation's member, loses nothing: the messages are kept as they came."""
    feed = feeds(listening(ACCOUNT, action="what"))
    assert feed.send([put("A1", name="a"), put("A2", name="b")], b"{") == only(rejected=3)
    ACCOUNT.define(world)
    feed.restart()
    assert feed.app.events.replay_events("story") == only(created=2, rejected=1)
    assert (column(world, "name"), feed.rejects()) == ({"A1": "a", "A2": "b"}, [("Malformed Row", None)])
    assert feed.app.events.listener("story").pulse.total == 3
    feed.send(put("A1", name="newer"))
    enveloped = listening(ACCOUNT, format="cloudevents", action=None)
    enveloped.define(world)
    feed.restart()
    assert feed.send(put("A3", name="c"), [put("A4"), put("A1", name="d")]) == only(rejected=3)
    ACCOUNT.define(world)
    feed.restart()
    assert feed.app.events.replay_events("story", [5]) == only(created=1, updated=1)
    assert (set(column(world, "name")), row(world, "A1")) == ({"A1", "A2", "A4"}, ("d", None))


def test_a_message_that_came_before_its_sync_is_replayed(world: World, feeds: Feeds) -> None:
    """It is set aside as it came, and stands ready when there is a sync of its name; those of others stay."""
    feed = feeds(ACCOUNT.but(name="other"))
    early = [feed.message(put(f"A{n}", name="x" * 90), sync="story") for n in range(3)]
    feed.app.listening.take("story", early)
    feed.app.listening.take("strange", [feed.message(put("A1"), sync="strange")])
    ACCOUNT.define(world)
    feed.restart()
    assert feed.app.events.replay_events("story") == only(created=3)
    assert set(column(world, "name")) == {"A0", "A1", "A2"}
    (left,) = feed.app.events.rejected_events("")
    assert "'strange'" in left.reject.reason
    assert feed.app.events.replay_events("story") == {}


# ---- when the service fails in the midst


def test_a_record_that_was_overtaken_waits_when_the_service_fails_then(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row vanished between reading and writing, and then the service did: that is no reason to give it up."""
    feed = feeds()
    feed.send(put("A1", name="a"))
    gone = column(world, "accountid")["A1"]
    line = feed.app.listening.listener("story")._line
    assert line is not None
    send = type(line.sender).send

    def vanishes(sender: object, rows: object) -> object:
        world.remove("accounts", gone)
        monkeypatch.undo()
        sent = send(line.sender, rows)  # type: ignore[arg-type]
        sent.stopped = UnavailableError("gone")
        return sent

    monkeypatch.setattr(type(line.sender), "send", vanishes)
    assert feed.send(put("A1", name="b")) == only(parked=1)
    assert feed.rejects() == []
    assert feed.release() == only(created=1)
    assert column(world, "name") == {"A1": "b"}


def test_no_request_starts_when_the_right_to_release_could_have_run_out(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may release by then, and have gone on to newer events: what is left waits for the next time, and
    no further page is tried."""
    feed = feeds()
    wishes(feed, Wish(on=False))
    feed.send(put("A1", name="a"), put("A2", name="a"))
    wishes(feed, Wish(on=True))
    with monkeypatch.context() as patched:
        patched.setattr(releasing, "_LEASE_S", releasing._REQUEST_S)
        patched.setattr(releasing, "PAGE", 1)
        assert feed.release() == only(parked=1)
    assert column(world, "name") == {}
    assert feed.release() == only(created=2)


def test_a_try_keeps_no_message_waiting(world: World, feeds: Feeds) -> None:
    """While a destination that failed is tried again, and does not answer, messages are parked at once: their lanes are
    free for other syncs. When it answers, all of them are there."""
    feed = feeds()
    feed.send(put("A1", name="a"))
    long_ago = datetime.now(UTC) - timedelta(minutes=1)
    wishes(feed, Wish(hold=Hold.OUTAGE, why="no answer", since=long_ago))
    tried, answers = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        tried.set()
        answers.wait(LONG_S)

    step = world.dataverse.on(slow, "account")
    done: list[int] = []

    def takes() -> None:
        feed.app.listening.take("story", [feed.message(put("A1", name="b"))])
        assert tried.wait(LONG_S)
        feed.app.listening.take("story", [feed.message(put("A2", name="c"))])
        done.append(feed.app.listening.memory.park.count("story"))

    thread = threading.Thread(target=takes)
    thread.start()
    try:
        thread.join(LONG_S / 2)
        assert done == [2]
    finally:
        answers.set()
        thread.join(LONG_S)
        world.dataverse.remove(step)
    while feed.parked():
        feed.release()
    assert column(world, "name") == {"A1": "b", "A2": "c"}


# ---- how a listener fares


def test_what_a_listener_is_called(world: World, feeds: Feeds) -> None:
    """Idle before the first message and long after the last, running, catching up, stalled, failed, parked, off."""
    feed = feeds()
    memory, now = feed.app.listening.memory, datetime.now(UTC)

    def state() -> str:
        return feed.app.events.listener("story").state.value

    assert state() == "idle"
    feed.take(feed.message(put("A1"), enqueued_at=now - timedelta(minutes=2)))
    assert state() == "catching up"
    feed.send(put("A1"))
    assert state() == "running"
    wishes(feed, Wish(hold=Hold.OUTAGE, why="no answer", since=now))
    feed.send(put("A1"))
    assert state() == "parked"
    memory.park.put([replace(one, since=now - timedelta(minutes=16)) for one in memory.park.first("story", limit=5)])
    view = feed.app.events.listener("story")
    assert (view.state.value, "no answer" in view.why) == ("stalled", True)
    wishes(feed, Wish(hold=Hold.FAILED, why="refused", since=now))
    assert state() == "failed"
    feed.app.events.switch("story", on=False)
    assert state() == "off"


def test_a_sync_that_cannot_be_released_does_not_keep_the_others(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timer goes on to the next one."""
    first, feed = feeds(ACCOUNT.but(name="a-story")), feeds()
    app = feed.app.listening
    for sync in ("a-story", "story"):
        app.memory.listeners.change(sync, lambda _: Wish(on=False))
        app.take(sync, [feed.message(put(f"of-{sync}", name="a"), sync=sync)])
        app.memory.listeners.change(sync, lambda _: Wish(on=True))
    release = app.release

    def fails_once(sync: str, **rest: object) -> object:
        if sync == "a-story":
            raise StateError("the store is gone")
        return release(sync, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(app, "release", fails_once)
    app.release_all(by="timer")
    assert set(column(world, "name")) == {"of-story"}
    first.release()
    assert set(column(world, "name")) == {"of-a-story", "of-story"}
