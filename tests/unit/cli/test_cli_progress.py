"""Progress: seldom enough in a file, alive on a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from shared.cli.progress import BarProgress, LineProgress, Pace
from shared.values.jobs import Phase, Progress


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
