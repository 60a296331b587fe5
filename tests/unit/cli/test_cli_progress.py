"""Progress: seldom enough in a file, alive on a terminal."""

from __future__ import annotations

import logging
from io import StringIO

import pytest
from rich.console import Console

from shared.cli.progress import BarProgress, LineProgress, Pace
from shared.cli.waits import waits_told
from shared.log import event
from shared.values.jobs import Phase, Progress
from shared.values.problems import Problem
from tests.unit.cli.cases import MadeUpApp, call


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(steps: list[tuple[float, Progress]]) -> list[str]:
    """What is said when these are reported at these seconds."""
    clock, paper = Clock(), StringIO()
    with LineProgress(Console(file=paper, width=100, highlight=False), clock) as progress:
        for at, step in steps:
            clock.now = at
            progress(step)
    return paper.getvalue().splitlines()


def test_lines_come_every_ten_seconds_at_most() -> None:
    """A thousand reports of one phase in twenty seconds are three lines: begin, half-way, end."""
    steps = [(n / 50, Progress(Phase.APPLY, n, 1000)) for n in range(1, 1001)]
    assert lines(steps) == [
        "apply: 1 of 1,000",
        "apply: 501 of 1,000, 50/s, 10 s left",
        "apply: 1,000 of 1,000, 50/s",
    ]


def test_each_phase_ends_with_its_last_figure() -> None:
    """The last report of a phase is never lost, and phases may come back."""
    steps = [
        (0, Progress(Phase.READ_SOURCE)),
        (1, Progress(Phase.READ_SOURCE, 700)),
        (2, Progress(Phase.PLAN)),
        (3, Progress(Phase.READ_SOURCE, 5, rejected=1)),
    ]
    assert lines(steps) == [
        "read source …",
        "read source: 700, 350/s",
        "plan …",
        "read source: 5, 1 reject",
    ]


def test_no_line_is_said_twice() -> None:
    """A phase that has nothing to add to its first line is silent."""
    steps = [(0, Progress(Phase.READ_DESTINATION)), (1, Progress(Phase.READ_DESTINATION)), (2, Progress(Phase.PLAN))]
    assert lines(steps) == ["read destination …", "plan …"]


def test_a_wait_is_one_line() -> None:
    """However many requests wait; after ten seconds it is said once more."""
    clock, paper = Clock(), StringIO()
    with LineProgress(Console(file=paper, width=100, highlight=False), clock) as progress:
        for clock.now in (0.0, 0.1, 9.9, 10.0):
            progress.waits(f"no answer at {clock.now}")
    assert paper.getvalue().splitlines() == ["no answer at 0.0", "no answer at 10.0"]


def test_a_wait_stands_beside_the_bar_until_there_is_progress() -> None:
    """It does not stay with a phase that has ended; before the first phase it is a line."""
    paper = StringIO()
    console = Console(file=paper, width=120, force_terminal=True, color_system=None, legacy_windows=False)
    with BarProgress(console, Clock()) as progress:
        progress.waits("early")
        progress(Progress(Phase.CHECK))
        progress.waits("no answer, trying again in 2.0 s")
        progress._bars.refresh()
        progress(Progress(Phase.APPLY, 5, 100))
        progress.waits("asked to pause")
        progress(Progress(Phase.APPLY, 6, 100))
    lines = [line for line in paper.getvalue().splitlines() if line.strip()]
    assert any(line.startswith("early") or line.endswith("early") for line in lines)
    assert any("check" in line and "no answer, trying again in 2.0 s" in line for line in lines)
    checks, applies = [[line for line in lines if word in line] for word in ("check", "apply")]
    assert "no answer" not in checks[-1]
    assert "asked" not in applies[-1]
    assert "6 of 100" in applies[-1]


def test_a_wait_in_the_log_is_told_in_words() -> None:
    """Sign-in or data, whoever waits; other events are no waits, and nothing is told afterwards."""
    told: list[str] = []
    logger = logging.getLogger("shared.dataverse.anything")
    more = {"level": logging.WARNING, "service": "https://x\x1b", "pause_s": 2.0}
    with waits_told(told.append):
        event(logger, "service.unanswered", **more)  # type: ignore[arg-type]
        event(logger, "service.throttled", **more)  # type: ignore[arg-type]
        event(logger, "lease.lost", **more)  # type: ignore[arg-type]
    event(logger, "service.unanswered", **more)  # type: ignore[arg-type]
    assert told == [
        "no answer, trying again in 2.0 s (https://x\\x1b)",
        "asked to pause, going on in 2.0 s (https://x\\x1b)",
    ]


@pytest.mark.parametrize(("options", "lines"), [((), 1), (("-q",), 0)])
def test_a_command_without_a_job_tells_its_waits_too(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], lines: int
) -> None:
    """`check` of a service that does not answer says so within its first second; --quiet keeps silent."""

    def check(self: MadeUpApp, sync: str) -> list[Problem]:
        for _ in range(3):
            event(
                logging.getLogger("shared.x"),
                "service.unanswered",
                level=logging.WARNING,
                service="http://s",
                pause_s=1,
            )
        return []

    monkeypatch.setattr(MadeUpApp, "check", check)
    result = call(MadeUpApp(), "check", "accounts-from-erp", *options)
    assert result.stderr.splitlines() == ["no answer, trying again in 1.0 s (http://s)"] * lines


def test_pace_says_nothing_it_does_not_know() -> None:
    """No rate in the first second or before the first record; no time left without a total."""
    assert Pace.of(Progress(Phase.APPLY, 10, 20), elapsed_s=0.5) == Pace()
    assert Pace.of(Progress(Phase.APPLY, 0, 20), elapsed_s=5) == Pace()
    assert Pace.of(Progress(Phase.APPLY, 10), elapsed_s=5) == Pace(2, None)
    assert Pace.of(Progress(Phase.APPLY, 10, 20), elapsed_s=5) == Pace(2, 5)


def test_a_terminal_shows_bars() -> None:
    """Phase, amount, rate, time left and rejects; finished phases stay."""
    clock, paper = Clock(), StringIO()
    console = Console(file=paper, width=120, force_terminal=True, color_system=None, legacy_windows=False)
    with BarProgress(console, clock) as progress:
        progress(Progress(Phase.READ_SOURCE, 700))
        progress(Progress(Phase.APPLY, 0, 100))
        clock.now = 10
        progress(Progress(Phase.APPLY, 50, 100, rejected=2))
    lines = paper.getvalue().splitlines()
    finished = next(line for line in reversed(lines) if "read source" in line)
    running = next(line for line in reversed(lines) if "apply" in line)
    assert "700" in finished
    assert "50 of 100  5/s  10 s left  2 rejects" in running
