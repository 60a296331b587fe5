"""How each part of the app does: definitions, store, vault, bus and the destinations."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from shared.definitions.catalogue import Edit
from shared.definitions.reach import address
from shared.errors import DynsyncError
from shared.wiring.app import LocalApp
from shared.wiring.nudges import QUEUE, Nudges

KEPT_S = 60.0
"""How long the look at other systems is kept: nobody makes the app knock at them more often."""
NEAR_KEPT_S = 5.0
"""How long the look at definitions and store is kept: strangers may ask, and must not make work by it."""
_TOLD = 3


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One part: whether it is up, and what there is to say. `vital`: while it is down, nothing goes."""

    name: str
    up: bool
    note: str = ""
    vital: bool = False


class _Look:
    """What a look found, for as long as it is kept; whoever asks meanwhile waits for the one that is under way."""

    def __init__(self, find: Callable[[], Iterable[PartHealth]], kept_s: float, monotonic: Callable[[], float]) -> None:
        self._find, self._kept_s, self._monotonic = find, kept_s, monotonic
        self._lock = threading.Lock()
        self._kept: tuple[float, tuple[PartHealth, ...]] | None = None

    def parts(self) -> tuple[PartHealth, ...]:
        with self._lock:
            now = self._monotonic()
            if self._kept is None or now - self._kept[0] > self._kept_s:
                self._kept = (now, tuple(self._find()))
            return self._kept[1]


class HealthDesk:
    """Looks at the parts. May be asked from several threads."""

    def __init__(self, app: LocalApp, nudges: Nudges, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._nudges = nudges
        self._near = _Look(self._find_near, NEAR_KEPT_S, monotonic)
        self._far = _Look(self._find_far, KEPT_S, monotonic)

    def near(self) -> tuple[PartHealth, ...]:
        """What is cheap to know: definitions and the store, as they were found within the last seconds."""
        return self._near.parts()

    def all(self) -> tuple[PartHealth, ...]:
        """Every part; other systems as they were found within the last minute."""
        return (*self.near(), *self._far.parts())

    def _find_near(self) -> Iterator[PartHealth]:
        yield self._definitions()
        yield replace(_tried("store", lambda: self._app.jobs(limit=1)), vital=True)

    def _find_far(self) -> Iterator[PartHealth]:
        yield _tried("vault", self._app.secret_entries)
        yield self._bus()
        yield from self._destinations()

    def _definitions(self) -> PartHealth:
        """Every file and every edit is looked at. A broken one takes out its own sync alone; a folder that is not there
        takes out all, and so does a store that does not answer."""
        folder = self._app.syncs_folder
        if not folder.is_dir():
            return PartHealth("definitions", False, f"there is no folder {folder}", vital=True)
        try:
            names, broken, edited = self._app.sync_names(), self._app.broken(), self._app.edited()
        except OSError as error:
            return PartHealth("definitions", False, f"{folder} cannot be read: {error.strerror}", vital=True)
        except DynsyncError as error:
            return PartHealth("definitions", False, str(error), vital=True)
        sound = f"{len(names) - len(broken)} sound" + (f", {len(broken)} broken" if broken else "")
        reasons = _first(f"{name}: {error.problems[0]}" for name, error in broken.items())
        told = [f"{len(edited)} edited in the app: {', '.join(_first(map(_told, edited.values())))}"] if edited else []
        return PartHealth("definitions", not broken, "; ".join([sound, *reasons, *told]))

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
        try:
            sound = self._app.definitions.catalogue.sound()
        except DynsyncError:  # the part `definitions` tells
            return
        seen: set[str] = set()
        for name, definition in sound.items():
            found = address(definition.destination.service_url)
            host = found.host if found else "?"
            if host not in seen:
                seen.add(host)
                yield _tried(f"destination {host}", lambda name=name: self._app.checker.knock(name))  # type: ignore[misc]


def _first(told: Iterable[str]) -> list[str]:
    first = list(islice(told, _TOLD + 1))
    return first if len(first) <= _TOLD else [*first[:_TOLD], "…"]


def _told(edit: Edit) -> str:
    """An edited sync, and what somebody who deploys its file should know."""
    file = " (its file has changed since)" if edit.file_changed else ""
    return edit.revision.sync + (file if edit.file else " (it has no file)")


def _tried(name: str, look: Callable[[], object]) -> PartHealth:
    try:
        look()
    except DynsyncError as error:
        return PartHealth(name, False, str(error))
    return PartHealth(name, True)
