"""The queue against a model that is too simple to be wrong: no sockets, and the clock in the test's hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from local.servicebus.codec import Stamp, Symbol
from local.servicebus.message import Message, section
from local.servicebus.queues import browsing
from local.servicebus.queues.held import State
from local.servicebus.queues.namespace import Namespace
from local.servicebus.queues.sessions import Waiter
from local.servicebus.refusals import BusRefusal
from local.servicebus.settings import NamespaceSettings, QueueSettings

START = datetime(2030, 1, 1, tzinfo=UTC)
LOCK_S = 60
TRIES = 2


def message(body: int, session: str | None = None, due_ms: int | None = None) -> Message:
    annotations = {} if due_ms is None else {Symbol("x-opt-scheduled-enqueue-time"): Stamp(due_ms)}
    head = section(0x73, [None] * 10 + [session])
    return Message(section(0x72, annotations) + head + section(0x75, str(body).encode()))


class Taker:
    """A receiver that takes what it is given, and lets go of what it wants when it wants."""

    deletes = False

    def __init__(self) -> None:
        self.session: str | None = None
        self.wanted = 0
        self.got: list[tuple[str, UUID]] = []
        self.lost = False

    def deliver(self, raw: bytes, token: UUID) -> None:
        self.wanted -= 1
        self.got.append((Message(raw).parts()[0].decode(), token))

    def lose_session(self) -> None:
        self.lost = True
        self.got.clear()


@dataclass
class Known:
    """What the model knows of a message."""

    session: str
    failures: int = 0
    where: str = "waiting"  # waiting, locked, deferred, scheduled, dead, done
    due: int = 0


class _Model(RuleBasedStateMachine):
    """Two receivers; every message is in one place only, in order, and its failures are counted right."""

    with_sessions = False

    @initialize()
    def begin(self) -> None:
        queue = QueueSettings(lock_s=LOCK_S, max_delivery_count=TRIES, sessions=self.with_sessions)
        self.bus = Namespace(NamespaceSettings({"q": queue}), lambda: START)
        self.queue = self.bus.find("q")
        self.known: dict[str, Known] = {}
        self.takers: list[Taker] = []
        self.locked_at: dict[str, int] = {}

    @property
    def now(self) -> int:
        return self.bus.now_ms

    # what may happen

    @rule(session=st.sampled_from("AB"), delay_s=st.sampled_from([0, 0, 0, 30]))
    def send(self, session: str, delay_s: int) -> None:
        body, due = len(self.known), self.now + delay_s * 1000
        self.known[str(body)] = Known(session, where="scheduled" if delay_s else "waiting", due=due)
        self.queue.put([message(body, session, due if delay_s else None)], self.now)

    @precondition(lambda self: len(self.takers) < 2)
    @rule(name=st.sampled_from(["A", "B", None]))
    def come(self, name: str | None) -> None:
        taker = Taker()
        if not self.with_sessions:
            self.queue.attach(taker, self.now)
            self.takers.append(taker)
            return
        taken = {each.session for each in self.takers}
        refusals: list[BusRefusal] = []
        waiter = Waiter(taker, self.now + 1, lambda *_: self.takers.append(taker), refusals.append)
        self.queue.accept(waiter, name, self.now)
        if name is not None:
            assert bool(refusals) == (name in taken)
        if name is None and taker.session is None:
            self.queue.detach(taker, self.now)  # it does not wait

    @precondition(lambda self: self.takers)
    @rule(data=st.data(), count=st.integers(1, 3))
    def want(self, data: st.DataObject, count: int) -> None:
        taker = data.draw(st.sampled_from(self.takers))
        had, free = len(taker.got), self.waiting(taker.session)
        taker.wanted = count
        self.queue.pump(self.now)
        bodies = [body for body, _ in taker.got[had:]]
        taker.wanted = 0
        assert bodies == free[:count]
        for body in bodies:
            self.known[body].where = "locked"
            self.locked_at[body] = self.now

    @precondition(lambda self: any(taker.got for taker in self.takers))
    @rule(data=st.data(), how=st.sampled_from(["complete", "abandon", "release", "defer", "dead_letter", "renew"]))
    def settle(self, data: st.DataObject, how: str) -> None:
        taker = data.draw(st.sampled_from([each for each in self.takers if each.got]))
        pair = data.draw(st.sampled_from(taker.got))
        body, token = pair
        known = self.known[body]
        if how == "renew":
            self.renew(taker, body, token)
            return
        taker.got.remove(pair)
        if how == "complete":
            self.queue.complete(token, self.now)
            known.where = "done"
        elif how == "defer":
            self.queue.defer(token, self.now)
            known.where, known.failures = "deferred", known.failures + 1
        elif how == "dead_letter":
            self.queue.dead_letter(token, self.now, "R", None)
            known.where = "dead"
        else:
            self.queue.abandon(token, self.now, failed=how == "abandon")
            self.fail(body) if how == "abandon" else setattr(known, "where", "waiting")

    def renew(self, taker: Taker, body: str, token: UUID) -> None:
        if self.with_sessions:
            self.queue.renew_session(str(taker.session), self.now)
            taker.since = self.now  # type: ignore[attr-defined]
        else:
            self.queue.renew(token, self.now)
            self.locked_at[body] = self.now

    @rule(seconds=st.sampled_from([10, 25, 61]))
    def wait(self, seconds: int) -> None:
        self.bus.advance(timedelta(seconds=seconds))
        for known in self.known.values():
            if known.where == "scheduled" and known.due <= self.now:
                known.where = "waiting"
        for taker in list(self.takers):
            if self.with_sessions and taker.lost:
                self.takers.remove(taker)
                for body, each in self.known.items():
                    if each.where == "locked" and each.session == self.session_of(taker):
                        self.fail(body)
            elif not self.with_sessions:
                for pair in [each for each in taker.got if self.locked_at[each[0]] + LOCK_S * 1000 <= self.now]:
                    taker.got.remove(pair)
                    self.fail(pair[0])

    @precondition(lambda self: self.takers)
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        taker = data.draw(st.sampled_from(self.takers))
        self.takers.remove(taker)
        self.queue.detach(taker, self.now)
        if self.with_sessions:
            for body, _ in taker.got:
                self.known[body].where = "waiting"
        else:
            stays = Taker()  # the locks outlive the receiver; somebody must watch them run out
            stays.got = taker.got
            self.queue.attach(stays, self.now)
            self.takers.append(stays)

    # what the model says

    def session_of(self, taker: Taker) -> str:
        return self.sessions_seen[id(taker)]

    def fail(self, body: str) -> None:
        known = self.known[body]
        known.failures += 1
        known.where = "dead" if known.failures >= TRIES else "waiting"

    def waiting(self, session: str | None) -> list[str]:
        """Bodies that a receiver gets, in order: by number, which a scheduled message gets when it is due."""
        found = [
            (held.number, held.message.parts()[0].decode())
            for held in self.queue.messages.values()
            if held.free and (session is None or held.message.session_id == session)
        ]
        return [body for _, body in sorted(found)]

    @invariant()
    def everything_is_in_its_place(self) -> None:
        if not hasattr(self, "queue"):
            return
        self.sessions_seen = getattr(self, "sessions_seen", {})
        self.sessions_seen.update({id(each): str(each.session) for each in self.takers if each.session})
        found: dict[str, tuple[str, int]] = {}
        for held in self.queue.messages.values():
            states = {State.DEFERRED: "deferred", State.SCHEDULED: "scheduled"}
            where = states.get(held.state) or ("locked" if held.token else "waiting")
            found[held.message.parts()[0].decode()] = where, held.failures
        assert self.queue.dead is not None
        for held in self.queue.dead.messages.values():
            body = held.message.parts()[0].decode()
            assert body not in found
            found[body] = "dead", held.failures
        wanted = {body: (each.where, each.failures) for body, each in self.known.items() if each.where != "done"}
        assert found == wanted

    @invariant()
    def the_counters_agree(self) -> None:
        if hasattr(self, "queue"):
            counted = browsing.counters(self.queue)
            places = [each.where for each in self.known.values()]
            assert counted.active == places.count("waiting") + places.count("locked")
            assert (counted.locked, counted.scheduled) == (places.count("locked"), places.count("scheduled"))
            assert (counted.deferred, counted.dead_lettered) == (places.count("deferred"), places.count("dead"))

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Whatever is due is told as due: the clock never has to be looked at in between."""
        if hasattr(self, "queue"):
            due = self.bus.next_due()
            assert due is None or due > self.now
            locked = any(each.where == "locked" for each in self.known.values())
            assert due is not None or not locked


class PlainModel(_Model):
    """Without sessions."""


class LanesModel(_Model):
    """With sessions."""

    with_sessions = True


_THOROUGH = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_a_queue_behaves_as_its_model() -> None:
    """Without sessions."""
    run_state_machine_as_test(PlainModel, settings=_THOROUGH)  # type: ignore[no-untyped-call]


def test_a_queue_of_lanes_behaves_as_its_model() -> None:
    """With sessions."""
    run_state_machine_as_test(LanesModel, settings=_THOROUGH)  # type: ignore[no-untyped-call]


def test_a_batch_is_taken_whole_or_not_at_all() -> None:
    """One message without session id keeps its whole batch out."""
    bus = Namespace(NamespaceSettings({"q": QueueSettings(sessions=True)}), lambda: START)
    with pytest.raises(BusRefusal, match="SessionId was not set"):
        bus.find("q").put([message(0, "A"), message(1)], bus.now_ms)
    assert not bus.find("q").messages


def test_numbers_of_deferred_messages_are_taken_all_or_none() -> None:
    """A number that is no deferred message's leaves the others where they are."""
    bus = Namespace(NamespaceSettings({"q": QueueSettings()}), lambda: START)
    queue, taker = bus.find("q"), Taker()
    queue.put([message(0), message(1)], bus.now_ms)
    taker.wanted = 1
    queue.attach(taker, bus.now_ms)
    queue.defer(taker.got[0][1], bus.now_ms)
    with pytest.raises(BusRefusal, match="number 2"):
        browsing.take_deferred(queue, [1, 2], bus.now_ms, None, delete=False)
    ((_, token),) = browsing.take_deferred(queue, [1, 1], bus.now_ms, None, delete=False)
    queue.complete(token, bus.now_ms)
    assert list(queue.messages) == [2]


def test_a_renewed_lock_does_not_hide_another() -> None:
    """The lock that was not renewed runs out on time, though it was taken after the renewed one."""
    bus = Namespace(NamespaceSettings({"q": QueueSettings(lock_s=LOCK_S)}), lambda: START)
    queue, taker = bus.find("q"), Taker()
    queue.put([message(0), message(1)], bus.now_ms)
    taker.wanted = 2
    queue.attach(taker, bus.now_ms)
    bus.advance(timedelta(seconds=30))
    queue.renew(taker.got[0][1], bus.now_ms)
    bus.advance(timedelta(seconds=31))
    assert [held.failures for held in queue.messages.values()] == [0, 1]
