"""The faults that are on; the first that matches a request is its fault."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import count
from random import Random
from urllib.parse import unquote

from local.dataverse.faults.asked import Asked
from local.dataverse.faults.kinds import Fault, FaultKind
from local.dataverse.faults.refused import REFUSING


@dataclass(slots=True)
class Waiting:
    """A fault that is on: how often it still comes (None = always), how often it matched, and how often it came."""

    number: int
    fault: Fault
    left: int | None
    random: Random
    matched: int = 0
    hits: int = 0

    def takes(self, asked: Asked) -> bool:
        """Whether it comes now; counts what it sees."""
        fault = self.fault
        if not _fits(fault, asked):
            return False
        self.matched += 1
        if self.matched < fault.nth or (fault.probability < 1 and self.random.random() >= fault.probability):
            return False
        self.hits += 1
        if self.left is not None:
            self.left -= 1
        return True


class Faults:
    """The queue of faults."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._spent: deque[Waiting] = deque(maxlen=100)
        self._numbers = count(1)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """What is on."""
        return tuple(self._waiting)

    def add(self, fault: Fault) -> int:
        """Puts a fault behind the others; its number."""
        number = next(self._numbers)
        self._waiting.append(Waiting(number, fault, fault.count, Random(fault.seed)))  # noqa: S311 - a test's chance
        return number

    def remove(self, number: int) -> bool:
        """Switches one fault off; whether there was one."""
        before = len(self._waiting)
        self._waiting = [waiting for waiting in self._waiting if waiting.number != number]
        return len(self._waiting) < before

    def clear(self) -> None:
        """Switches all faults off."""
        self._waiting = []

    def spare(self, fault: Fault) -> None:
        """Gives a fault back that met an answer which it cannot spoil: it waits for the next one."""
        for waiting in (*self._waiting, *self._spent):
            if waiting.fault is not fault:
                continue
            waiting.matched, waiting.hits = waiting.matched - 1, waiting.hits - 1
            waiting.left = None if waiting.left is None else waiting.left + 1
            if waiting in self._spent:
                self._spent.remove(waiting)
                self._waiting.insert(0, waiting)
            return

    def take(self, asked: Asked) -> Fault | None:
        """The fault for a request, None when there is none."""
        for waiting in self._waiting:
            if waiting.takes(asked):
                if waiting.left == 0:
                    self.remove(waiting.number)
                    self._spent.append(waiting)
                return waiting.fault
        return None


def _fits(fault: Fault, asked: Asked) -> bool:
    return (
        fault.method.upper() in ("", asked.method)
        and fault.message in ("", asked.message)
        and fault.table in ("", asked.table)
        and fault.user.lower() in ("", asked.user)
        and (not fault.path or fault.path in asked.path or fault.path in unquote(asked.path))
        and (fault.larger_than is None or asked.size > fault.larger_than)
        and _applies(fault, asked)
    )


def _applies(fault: Fault, asked: Asked) -> bool:
    """Whether a fault of this kind can come to such a request at all."""
    if asked.inner and (fault.kind not in REFUSING or (fault.status or 0) >= 500):
        return False
    match fault.kind:
        case FaultKind.PRIVILEGE:
            return bool(asked.privileges) and fault.privilege in ("", *asked.privileges)
        case FaultKind.COLUMN_SECURITY:
            return asked.writes(fault.column) or (asked.message in ("Retrieve", "RetrieveMultiple") and not asked.inner)
        case FaultKind.REPEATED_LINK:
            return asked.message == "RetrieveMultiple"
        case _:
            return True
