"""The gatherer: each message gets its own answer, batches of one sync follow each other, syncs do not wait."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from shared.engine.realtime.gathering import Gatherer
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
