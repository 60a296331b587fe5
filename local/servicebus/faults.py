"""Faults on order: connections cut, requests refused, answers late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from local.servicebus.refusals import BusRefusal, busy

Moment = Literal["connect", "attach", "send", "sent", "settle", "settled", "manage", "managed"]
"""Before something is done, or (`sent`, `settled`, `managed`) between its being done and its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong, when, where (None: everywhere) and how often.

    `drop` cuts the connection; `refuse` answers with `condition`; `busy` answers that the server is busy;
    `delay` keeps all answers of the connection back for `delay_s`.
    """

    at: Moment
    action: Literal["drop", "refuse", "busy", "delay"] = "drop"
    queue: str | None = None
    times: int = 1
    condition: str = "amqp:internal-error"
    delay_s: float = 1.0

    def refusal(self) -> BusRefusal:
        """What a refused peer is told."""
        return busy() if self.action == "busy" else BusRefusal(self.condition, "Refused on order.", 500)


class Faults:
    """The faults that are still to come, each so many times."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int]] = []

    def add(self, faults: Sequence[Fault]) -> None:
        """Orders faults."""
        self._left += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Forgets those that did not come."""
        self._left.clear()

    def take(self, at: Moment, queue: str) -> Fault | None:
        """The fault for this moment, used up once."""
        for place, (fault, left) in enumerate(self._left):
            if fault.at == at and fault.queue in {None, queue.lower()}:
                self._left[place : place + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None
