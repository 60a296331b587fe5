"""How each part of the app does: definitions, store, vault, bus and the destinations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.definitions.reach import address
from shared.errors import DynsyncError
from shared.wiring.app import LocalApp
from shared.wiring.nudges import QUEUE, Nudges

KEPT_S = 60.0
"""How long the look at other systems is kept: nobody makes the app knock at them more often."""


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part: whether it is up, and what there is to say."""

    name: str
    up: bool
    note: str = ""


class HealthDesk:
    """Looks at the parts. May be asked from several threads."""

    def __init__(self, app: LocalApp, nudges: Nudges, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._nudges = nudges
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: tuple[float, tuple[PartHealth, ...]] | None = None

    def near(self) -> tuple[PartHealth, ...]:
        """What is cheap to know and without which nothing goes: definitions and the store."""
        broken = sorted(self._app.broken())
        note = f"broken: {', '.join(broken)}" if broken else f"{len(self._app.sync_names())} sound"
        return PartHealth("definitions", True, note), _tried("store", lambda: self._app.jobs(limit=1))

    def all(self) -> tuple[PartHealth, ...]:
        """Every part; other systems as they were found within the last minute."""
        with self._lock:
            now = self._monotonic()
            if self._kept is None or now - self._kept[0] > KEPT_S:
                self._kept = (now, (_tried("vault", self._app.secret_entries), self._bus(), *self._destinations()))
            return (*self.near(), *self._kept[1])

    def _bus(self) -> PartHealth:
        try:
            bus = self._nudges.bus
            if bus is None:
                return PartHealth("bus", False, "no setting names a Service Bus; jobs wait until somebody applies them")
            dead = len(bus.dead_letters(QUEUE, limit=100))
        except DynsyncError as error:
            return PartHealth("bus", False, str(error))
        return PartHealth("bus", True, f"{dead} dead letters in {QUEUE}" if dead else "")

    def _destinations(self) -> Iterator[PartHealth]:
        """Each environment once, by the first sync that leads to it."""
        seen: set[str] = set()
        for name in self._app.sync_names():
            if name in self._app.broken():
                continue
            found = address(self._app.definition(name).destination.service_url)
            host = found.host if found else "?"
            if host not in seen:
                seen.add(host)
                yield _tried(f"destination {host}", lambda name=name: self._app.checker.knock(name))  # type: ignore[misc]


def _tried(name: str, look: Callable[[], object]) -> PartHealth:
    try:
        look()
    except DynsyncError as error:
        return PartHealth(name, False, str(error))
    return PartHealth(name, True)
