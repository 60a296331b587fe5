"""The gatherer: each message gets its own answer, batches of one sync follow each other, syncs do not wait."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import pytest

from shared.engine.realtime.gathering import IDLE_S, MOST_S, Gatherer, _Queue
from shared.errors import StateError
from shared.values.messages import ReceivedMessage

LONG_S = 30.0


def message(number: int) -> ReceivedMessage:
    return ReceivedMessage(body=b"", number=number, sync="a")


class Gate:
    """Takes batches; each waits until it is let through."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.entered = threading.Semaphore(0)
        self.let = threading.Semaphore(0)
        self.error: Exception | None = None

    def take(self, sync: str, messages: Sequence[ReceivedMessage]) -> None:
        self.batches.append((sync, [one.number for one in messages]))
        self.entered.release()
        assert self.let.acquire(timeout=LONG_S)
        if self.error:
            raise self.error


def test_messages_gather_while_a_batch_is_applied() -> None:
    """The first goes at once; those that come meanwhile are one batch, in their order, of a size that is bounded."""
    gate = Gate()
    gatherer = Gatherer(gate.take, most=3, idle_s=0.01)
    first = gatherer.put("a", message(1))
    assert gate.entered.acquire(timeout=LONG_S)
    later = [gatherer.put("a", message(number)) for number in range(2, 7)]
    assert not first.done()
    gate.let.release(3)
    for answer in (first, *later):
        answer.result(LONG_S)
    assert gate.batches == [("a", [1]), ("a", [2, 3, 4]), ("a", [5, 6])]


class Watched(threading.Condition):
    """Notes how long is waited at most, and waits no time at all."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float | None] = []

    def wait_for(self, predicate: Callable[[], object], timeout: float | None = None) -> bool:  # type: ignore[override]
        self.waits.append(timeout)
        return bool(predicate())


def test_under_load_a_batch_waits_a_few_dozen_milliseconds_at_most() -> None:
    """However long the last one took; and at rest not at all."""
    taken: list[int] = []
    gatherer = Gatherer(lambda _, messages: taken.append(len(messages)), clock_s=itertools.count(0, 0.01).__next__)
    gatherer._changed = watched = Watched()
    queue = _Queue(deque((message(number), Future[None]()) for number in range(6)))
    assert len(gatherer._next(queue, 0, 0.0)) == 6
    assert watched.waits == [IDLE_S]
    queue.waiting.extend((message(number), Future[None]()) for number in range(6))
    assert len(gatherer._next(queue, 10, 50.0)) == 6
    assert [wait for wait in watched.waits if wait != IDLE_S and not 0 < (wait or 0) <= MOST_S] == []
    assert len(watched.waits) > 2


def test_one_sync_does_not_wait_for_another() -> None:
    """A sync in trouble keeps its own messages only."""
    gate = Gate()
    gatherer = Gatherer(gate.take, idle_s=0.01)
    gatherer.put("a", message(1))
    assert gate.entered.acquire(timeout=LONG_S)
    gatherer.put("b", message(2))
    assert gate.entered.acquire(timeout=LONG_S)
    assert gate.batches == [("a", [1]), ("b", [2])]
    gate.let.release(2)
    gatherer.close()


def test_what_a_batch_raises_is_the_answer_of_its_messages() -> None:
    """So each is abandoned and comes again; the next batch is taken all the same."""
    gate = Gate()
    gate.error = StateError("the disk is full")
    gatherer = Gatherer(gate.take, idle_s=0.01)
    gate.let.release(2)
    with pytest.raises(StateError, match="disk is full"):
        gatherer.put("a", message(1)).result(LONG_S)
    gate.error = None
    gatherer.put("a", message(2)).result(LONG_S)


def test_a_call_that_was_given_up_does_not_stop_its_sync() -> None:
    """Nobody waits for its answer any more: its message is not taken, and those behind it are."""
    gate = Gate()
    gatherer = Gatherer(gate.take, idle_s=0.01)
    first = gatherer.put("a", message(1))
    assert gate.entered.acquire(timeout=LONG_S)
    given_up, later = gatherer.put("a", message(2)), gatherer.put("a", message(3))
    assert given_up.cancel()
    assert not first.cancel()
    gate.let.release(3)
    later.result(LONG_S)
    gatherer.put("a", message(4)).result(LONG_S)
    assert gate.batches == [("a", [1]), ("a", [3]), ("a", [4])]


def test_one_message_that_breaks_something_does_not_sink_its_neighbours() -> None:
    """What nobody foresaw is its own answer alone; the others of its batch are taken by themselves, in their order."""
    taken: list[list[int]] = []
    entered, held = threading.Event(), threading.Event()

    def take(_: str, messages: Sequence[ReceivedMessage]) -> None:
        entered.set()
        assert held.wait(LONG_S)
        taken.append([one.number for one in messages])
        if 3 in taken[-1]:
            raise OverflowError("nobody thought of it")

    gatherer = Gatherer(take, idle_s=0.01)
    first = gatherer.put("a", message(1))
    assert entered.wait(LONG_S)
    answers = [first, *(gatherer.put("a", message(number)) for number in range(2, 5))]
    held.set()
    assert [type(answer.exception(LONG_S)) for answer in answers] == [type(None), type(None), OverflowError, type(None)]
    assert taken == [[1], [2, 3, 4], [2], [3], [4]]
