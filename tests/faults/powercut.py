"""Numbered points of a process, at one of which it dies: before and after every write to the store and every request.

Within this process the power goes out at once and for everything: what the dying one tries afterwards (to say that it
failed, to give its lease back) fails too. What a request has reached stays done. Then somebody else takes the job on,
with clocks of their own: no lease is waited for in real time. (`mortals` kills processes for good.)
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from requests import PreparedRequest
from requests.adapters import HTTPAdapter

from shared.engine.jobs import JobRunner
from shared.state import LocalState, claims
from shared.wiring import LocalApp

WRITES = (
    "save", "add", "forget", "acquire", "renew", "release", "ask_to_cancel", "clear_cancel", "mark_sent", "record",
    "put", "drop", "note_files", "move_watermark",
)  # fmt: skip
"""What writes to the store in a folder; the store in Azure writes by requests."""
LONGEST_WAIT_S = 3600.0


class PowerCutError(BaseException):
    """The process ends here."""


def goes_out(what: str) -> None:
    """How a process of this process ends."""
    raise PowerCutError(what)


@dataclass
class Power:
    """The current of one process. `points` were passed since `on`; at the `cut_at`th, and from then on, it `ends`.

    `passed` names them. `late` are the writes that the dying process was about to send. `at` is done, once each, at the
    first point whose name holds it, by the process that passes it.
    """

    ends: Callable[[str], None] = goes_out
    points: int = 0
    cut_at: int | None = None
    dead: bool = False
    on: bool = False
    last: str = ""
    passed: list[str] = field(default_factory=list)
    late: list[PreparedRequest] = field(default_factory=list)
    at: dict[str, Callable[[], object]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def flows(self, cut_at: int | None = None) -> Iterator[None]:
        """Count points, and end the process at one of them."""
        self.points, self.cut_at, self.dead, self.on = 0, cut_at, False, True
        self.passed.clear()
        try:
            yield
        finally:
            self.on = False

    def point(self, what: str) -> None:
        """One instant; raises from the fatal one on."""
        if not self.on:
            return
        for name in [name for name in self.at if name in what]:
            self.at.pop(name)()
        with self._lock:
            self.points += 1
            self.passed.append(what)
            if self.points == self.cut_at:
                self.dead, self.last = True, what
            if self.dead:
                self.ends(what)

    def wired(self, name: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, with a point before it and one after."""

        def called(*arguments: Any, **named: Any) -> Any:
            self.point(f"before {name}")
            answer = inner(*arguments, **named)
            self.point(f"after {name}")
            return answer

        return called


@dataclass
class Clocks:
    """Time as a process sees it: real, and ahead by what was slept or skipped. `skewed_s`: somebody set the clock."""

    ahead_s: float = 0.0
    skewed_s: float = 0.0
    slept_s: float = 0.0
    while_asleep: Callable[[], object] = lambda: None

    def now(self) -> datetime:
        """By the wall."""
        return datetime.now(UTC) + timedelta(seconds=self.ahead_s + self.skewed_s)

    def sleep(self, seconds: float) -> None:
        """Nobody waits."""
        self.ahead_s += seconds
        self.slept_s += seconds
        self.while_asleep()


def wire(power: Power, put: Callable[[object, str, object], None]) -> None:
    """Let every write and every request of this process pass the power; `put` sets an attribute, for as long as due."""
    for name in WRITES:
        put(LocalState, name, power.wired(name, getattr(LocalState, name)))
    send = HTTPAdapter.send

    def sent(self: HTTPAdapter, request: Any, *arguments: Any, **named: Any) -> Any:
        where = f"{request.method} {request.url.partition('?')[0][-60:]}"
        try:
            power.point(f"before {where}")
        except PowerCutError:
            if power.last == f"before {where}" and request.method != "GET":
                power.late.append(request)
            raise
        answer = send(self, request, *arguments, **named)
        try:
            power.point(f"after {where}")
        except PowerCutError:
            answer.close()
            raise
        return answer

    put(HTTPAdapter, "send", sent)


@pytest.fixture
def power(monkeypatch: pytest.MonkeyPatch) -> Power:
    """The power of this process."""
    found = Power()
    wire(found, monkeypatch.setattr)
    return found


def born(app: LocalApp, clocks: Clocks) -> LocalApp:
    """The app of a new process, by these clocks."""
    around = app._runner._around
    app._runner = JobRunner(replace(around, clock=clocks.now, sleep=clocks.sleep, monotonic=lambda: clocks.ahead_s))
    return app


def buried() -> None:
    """What the operating system does for a dead process: its locks are free."""
    with claims._guard:
        for path in list(claims._held):
            os.close(claims._held.pop(path))
