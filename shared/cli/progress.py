"""How far a job is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars

from shared.cli.screens.paper import say
from shared.cli.texts import counted, duration
from shared.values.jobs import Phase, Progress

_BAR = BarColumn(bar_width=30, complete_style="cyan", finished_style="green")
"""In colours that a terminal of sixteen tells apart too: there the library's own make a full bar look empty."""
LINE_EVERY_S = 10.0
"""Seconds between two plain lines of one phase."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What can be said about a phase: `per_second` and `left_s` are None while nothing can be known."""

    per_second: float | None = None
    left_s: float | None = None

    @staticmethod
    def of(progress: Progress, *, elapsed_s: float) -> Pace:
        """The pace of a phase that has run for `elapsed_s` seconds."""
        if elapsed_s < 1 or progress.done == 0:
            return Pace()
        rate = progress.done / elapsed_s
        left = None if progress.total is None else max(progress.total - progress.done, 0) / rate
        return Pace(rate, left)

    def words(self) -> list[str]:
        """`1,200/s`, `4 s left`, as far as known."""
        rate = [] if self.per_second is None else [f"{self.per_second:,.0f}/s"]
        return rate + ([] if not self.left_s else [f"{duration(self.left_s)} left"])


def amounts(progress: Progress) -> str:
    """`500 of 1,000`, or `500` while the total is not known."""
    return f"{progress.done:,}" if progress.total is None else f"{progress.done:,} of {progress.total:,}"


def rejected(progress: Progress) -> list[str]:
    """How many were rejected, if any."""
    return [counted(progress.rejected, "reject")] if progress.rejected else []


class _Watch:
    """Knows when the present phase began."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.phase: Phase | None = None
        self.began = 0.0

    def enter(self, phase: Phase) -> bool:
        """Whether this phase is new."""
        if phase is self.phase:
            return False
        self.phase, self.began = phase, self.clock()
        return True

    def pace(self, progress: Progress) -> Pace:
        return Pace.of(progress, elapsed_s=self.clock() - self.began)


class LineProgress:
    """Plain lines: one when a phase begins, one every ten seconds, one at its end."""

    def __init__(self, console: Console, clock: Callable[[], float], *, quiet: bool = False) -> None:
        self._console = console
        self._watch = _Watch(clock)
        self._quiet = quiet
        self._said_at = 0.0
        self._unsaid: Progress | None = None
        self._last = ""
        self._waited_at: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end()

    def __call__(self, progress: Progress) -> None:
        """Say it when it is time."""
        if progress.phase is not self._watch.phase:
            self._end()
        if self._watch.enter(progress.phase) or self._watch.clock() - self._said_at >= LINE_EVERY_S:
            self._say(progress)
        else:
            self._unsaid = progress

    def waits(self, words: str) -> None:
        """One line when a wait for a service begins, and one every ten seconds while there are more."""
        now = self._watch.clock()
        if self._quiet or (self._waited_at is not None and now - self._waited_at < LINE_EVERY_S):
            return
        self._waited_at = now
        say(self._console, words)

    def _end(self) -> None:
        if self._unsaid is not None:
            self._say(self._unsaid)

    def _say(self, progress: Progress) -> None:
        self._unsaid = None
        self._said_at = self._watch.clock()
        if self._quiet:
            return
        known = [amounts(progress)] if progress.done or progress.total else []
        words = [*known, *self._watch.pace(progress).words(), *rejected(progress)]
        line = f"{progress.phase.value}{': ' if words else ' …'}{', '.join(words)}"
        if line != self._last:
            say(self._console, line)
        self._last = line


class BarProgress:
    """One bar per phase, with amount, rate and time left."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._watch = _Watch(clock)
        self._task: TaskID | None = None
        self._words = ""
        columns = (TextColumn("{task.description:<16}"), _BAR, TextColumn("{task.fields[words]}"))
        self._bars = Bars(*columns, console=console)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._finish()
        self._bars.stop()

    def __call__(self, progress: Progress) -> None:
        """Move the bar."""
        if self._watch.enter(progress.phase):
            self._finish()
            self._words = ""
            self._task = self._bars.add_task(progress.phase.value, total=None, words="")
        if self._task is not None:
            known = [amounts(progress)] if progress.done or progress.total else []
            words = [*known, *self._watch.pace(progress).words(), *rejected(progress)]
            self._words = "  ".join(words)
            self._bars.update(self._task, completed=progress.done, total=progress.total, words=self._words)

    def waits(self, words: str) -> None:
        """Beside the bar, until there is progress again."""
        if self._task is None:
            self._bars.console.print(words)
        else:
            self._bars.update(self._task, words=words)

    def _finish(self) -> None:
        """A phase without a total is full when the next one begins."""
        if self._task is None:
            return
        self._bars.update(self._task, words=self._words)
        if self._bars.tasks[-1].total is None:
            done = self._bars.tasks[-1].completed
            self._bars.update(self._task, total=done or 1, completed=done or 1)
