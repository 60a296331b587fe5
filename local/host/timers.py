"""Timers: each runs by itself, never twice at once; a schedule monitor on disk knows what was missed.

Ticks that were missed because the host was down are made up for once, at the start, and told as past due; those that
pass while the function runs are not. The monitor's file is taken by one host at a time: of several over the same
folder, one has the timers, as in Azure.
Source: Microsoft Learn, "Timer trigger for Azure Functions" (2025): useMonitor, runOnStartup, scale-out.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

from local.host.functions import TimerTrigger
from local.host.messages import TypedData

LATE = timedelta(seconds=1)
_NEVER = "0001-01-01T00:00:00"


@dataclass(frozen=True, slots=True)
class Status:
    """When a timer ran last (None: never), when it is due next, and when that was written."""

    last: datetime | None
    next: datetime
    updated: datetime


class Monitor:
    """The status of every timer, in one file that one host holds.

    `take` before anything else; until it says yes, another host has the timers.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "timers.json"
        self._lock: IO[str] | None = None

    def take(self) -> bool:
        """Make the file ours, when nobody has it."""
        if self._lock is not None:
            return True
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = self._path.with_suffix(".lock").open("w", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            return False
        self._lock = lock
        return True

    def close(self) -> None:
        """Give it free for another host."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def get(self, name: str) -> Status | None:
        """A timer's status; None when it never had one, or when what was written cannot be read."""
        try:
            last, due, updated = self._all()[name]
            return Status(datetime.fromisoformat(last) if last else None, *map(datetime.fromisoformat, (due, updated)))
        except (KeyError, ValueError, TypeError):
            return None

    def put(self, name: str, status: Status) -> None:
        """Write a timer's status; the file is there whole or not at all."""
        last = status.last.isoformat() if status.last else None
        kept = {**self._all(), name: (last, status.next.isoformat(), status.updated.isoformat())}
        made = self._path.with_suffix(".new")
        made.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        made.replace(self._path)

    def _all(self) -> dict[str, tuple[str | None, str, str]]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def first_status(trigger: TimerTrigger, stored: Status | None, now: datetime) -> Status:
    """The status with which a timer begins at `now`; it is past due when its `next` is over.

    Without one, it counts from now. A schedule that was changed is due as the new one says, from the last run on.
    """
    if stored is None or not trigger.monitored:
        return Status(None, trigger.schedule.after(now), now)
    due = trigger.schedule.after(stored.last or stored.updated)
    return Status(stored.last, due, stored.updated)


def after_run(trigger: TimerTrigger, due: datetime, ended: datetime) -> Status:
    """The status behind a run that was due at `due` and has ended."""
    return Status(due, trigger.schedule.after(max(due, ended)), ended)


def value(status: Status, *, past_due: bool) -> TypedData:
    """What the function is given."""
    told: Mapping[str, object] = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": {
            "Last": status.last.isoformat() if status.last else _NEVER,
            "Next": status.next.isoformat(),
            "LastUpdated": status.updated.isoformat(),
        },
        "IsPastDue": past_due,
    }
    return TypedData(json=json.dumps(told))
