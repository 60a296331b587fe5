"""Screens, sign by sign, at 100 columns without colour: tests/fixtures/cli/*.txt."""

from __future__ import annotations

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from shared.cli.screens.jobs import print_jobs
from shared.cli.screens.listeners import print_listeners
from shared.cli.screens.rejects import print_rejects
from shared.values.events import ListenerState, ListenerView, Pulse
from shared.values.jobs import Brake, JobState
from shared.values.records import Reject, RejectType
from tests.unit.cli.cases import (
    CLEAN,
    FAILED,
    FIXTURES,
    HELD,
    OPEN_CASES,
    PROBLEMS,
    REPLAY,
    STARTED,
    UNDO,
    WAITING,
    WITH_REJECTS,
    MadeUpApp,
    call,
)

SCREENS: dict[str, tuple[MadeUpApp, list[str]]] = {
    "run_clean": (MadeUpApp(), ["run", "accounts-from-erp"]),
    "run_with_rejects": (MadeUpApp(WITH_REJECTS), ["run", "accounts-from-erp"]),
    "run_held": (MadeUpApp(HELD), ["run", "accounts-from-erp"]),
    "run_failed": (MadeUpApp(FAILED), ["run", "accounts-from-erp"]),
    "plan": (MadeUpApp(WAITING), ["plan", "accounts-from-erp", "--sample", "2"]),
    "undo": (MadeUpApp(UNDO), ["undo", CLEAN.id, "--sample", "0"]),
    "show": (MadeUpApp(), ["show", CLEAN.id]),
    "show_changes": (MadeUpApp(), ["show", WAITING.id, "--changes"]),
    "show_one_action": (MadeUpApp(), ["show", WAITING.id, "--action", "delete"]),
    "show_one_key": (MadeUpApp(), ["show", WAITING.id, "--changes", "--key", "C-4004"]),
    "show_no_such_key": (MadeUpApp(), ["show", WAITING.id, "--key", "C-9"]),
    "jobs": (MadeUpApp(), ["jobs"]),
    "jobs_none": (MadeUpApp(), ["jobs", "--sync", "contacts"]),
    "rejects": (MadeUpApp(), ["rejects", WITH_REJECTS.id]),
    "rejects_none": (MadeUpApp(), ["rejects", CLEAN.id]),
    "rejects_still_open": (MadeUpApp(open_cases=OPEN_CASES), ["rejects", WITH_REJECTS.id]),
    "rejects_open": (MadeUpApp(open_cases=OPEN_CASES), ["rejects", "accounts-from-erp"]),
    "rejects_open_none": (MadeUpApp(), ["rejects", "accounts-from-erp"]),
    "rejects_each": (
        MadeUpApp(open_cases=OPEN_CASES),
        ["rejects", "accounts-from-erp", "--cause", "refused by dataverse/creditlimit"],
    ),
    "rejects_overview": (MadeUpApp(open_cases=OPEN_CASES), ["rejects"]),
    "replay": (MadeUpApp(REPLAY), ["replay", "accounts-from-erp", "--cause", "Max Length Violation"]),
    "check": (MadeUpApp(problems=PROBLEMS), ["check"]),
    "check_fine": (MadeUpApp(), ["check", "accounts-from-erp"]),
}


@pytest.mark.parametrize(
    ("names", "limits"),
    [
        (["creates"], "raise `behaviour.brakes.creates` in the definition"),
        (["updates", "rejects"], "raise `behaviour.brakes.updates` and `behaviour.brakes.rejects` in the definition"),
        (
            ["removals", "emptied:name", "emptied:fax", "shrunken_source"],
            "raise `behaviour.brakes.removals` and `behaviour.brakes.at_least` in the definition (null: no limit; ",
        ),
        (["empty_source", "emptied:name"], "raise `behaviour.brakes.at_least` in the definition (`at_least`: so many"),
        (["empty_source"], None),
    ],
)
def test_a_brake_says_how_to_let_more_through(names: list[str], limits: str | None) -> None:
    """Once by applying, for good by all the settings that hold it; a brake without a setting promises none."""
    brakes = tuple(Brake(name, 9_000, 8, 20, f"{name}: too many") for name in names)
    said = call(MadeUpApp(replace(HELD, brakes=brakes)), "run", "s").stdout
    assert f"dynsync apply {HELD.id}" in said
    assert "lets it through once; " in said
    assert (limits is not None) == ("behaviour.brakes" in said)
    assert limits is None or limits in said
    assert ("; no setting lets an empty source through." in said) == ("empty_source" in names)


def test_a_running_job_tells_how_to_stop_it_and_how_to_go_on() -> None:
    """After a kill -9 the job still says Running: whoever looks learns that `apply` goes on with it."""
    said = call(MadeUpApp(replace(CLEAN, state=JobState.RUNNING, finished_at=None)), "run", "s").stdout
    assert f"  dynsync cancel {CLEAN.id}  stop it within one batch\n" in said
    assert f"  dynsync apply {CLEAN.id}   go on with it, if its process has died\n" in said


def test_a_long_variable_is_not_a_screenful() -> None:
    """A pasted text of a thousand signs is told by its beginning; the machine's form has it whole."""
    job = replace(CLEAN, variables={"region": "x" * 4_000})
    said = call(MadeUpApp(job), "run", "s")
    assert f"with region={'x' * 79}…\n" in said.stdout
    assert f'"{"x" * 4_000}"' in call(MadeUpApp(job), "run", "s", "--json").stdout


@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_as_drawn(name: str) -> None:
    """What a person sees equals the picture kept beside the tests."""
    app, words = SCREENS[name]
    assert call(app, *words).stdout == (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")


def test_every_picture_has_its_screen() -> None:
    """No picture is left over."""
    assert {path.stem for path in FIXTURES.glob("*.txt")} == set(SCREENS)


def test_no_value_reaches_the_terminal_raw() -> None:
    """A value with an escape sequence is shown, not obeyed, and square brackets are no markup."""
    screen = call(MadeUpApp(), "show", WAITING.id, "--changes").stdout
    assert "\x1b" not in screen
    assert "\\x1b[31mred" in screen
    assert "[bold]AG" in screen


def drawn(rejects: list[Reject]) -> str:
    """The screen of these rejects."""
    out = Console(file=StringIO(), width=100, no_color=True)
    print_rejects(out, WITH_REJECTS, rejects)
    assert isinstance(out.file, StringIO)
    return out.file.getvalue()


def test_an_example_is_called_one_only_where_reasons_differ() -> None:
    """A number in a reason that all of a cause share is no example; a record without a key shows that it has none."""
    same = Reject(1, "", RejectType.INVALID_FORMAT, "size", "x", "at most 28 digits, such as 1234.56")
    other = replace(same, row=3, key="k", reason="at most 30 digits, such as 1234.56")
    assert f"          {same.reason}\n" in drawn([same, replace(same, row=2)])
    assert "          keys    (none)\n" in drawn([same])
    assert "keys" not in drawn([replace(same, key=None)])
    assert f"          for example: {same.reason}\n" in drawn([same, other])


def test_the_list_of_jobs_names_what_did_not_land() -> None:
    """A conflict and a refused removal are no smaller matter than a reject."""
    job = replace(CLEAN, source=replace(CLEAN.source, conflict=3), destination=replace(CLEAN.destination, refused=2))
    out = Console(file=StringIO(), width=100, no_color=True)
    print_jobs(out, [job])
    assert isinstance(out.file, StringIO)
    assert "3 conflict, 2 refused" in out.file.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    ("width", "first"),
    [
        (120, "20250301-120000-8a11b2c3  accounts-from-erp  Completed with errors  2025-03-01 12:00:00 UTC  12 s"),
        (95, "20250301-120000-8a11b2c3  accounts-from-erp  Completed with errors  2025-03-01 12:00Z  12 s"),
        (80, "20250301-120000-8a11b2c3  accounts-from-erp  Completed with errors  12 s"),
        (70, "20250301-120000-8a11b2c3  accounts-from-erp  Completed with errors"),
        (65, "20250301-120000-8a11b2c3  accounts…rom-erp  Completed with errors"),
    ],
)
def test_the_list_of_jobs_fits_the_width(width: int, first: str, *, terminal: bool) -> None:
    """The start goes first, then how long it took, then the name's middle; never the id."""
    out = Console(file=StringIO(), width=width, force_terminal=terminal, color_system=None)
    print_jobs(out, [replace(CLEAN, state=JobState.COMPLETED_WITH_ERRORS, id="20250301-120000-8a11b2c3")])
    assert isinstance(out.file, StringIO)
    lines = out.file.getvalue().splitlines()
    assert lines[0] == first
    assert all(len(line) <= width for line in lines[: 2 if terminal else 1])


@pytest.mark.parametrize(("width", "names"), [(100, 8), (80, 6), (60, 5)])
def test_the_listeners_fit_the_width(width: int, names: int) -> None:
    """Columns go, the least useful first, and no cell is broken; whose it is, what waits and what failed stay."""
    pulse = Pulse({"created": 123_456}, 7, STARTED, STARTED, 0.4, 12.5)
    view = ListenerView("accounts-from-erp", True, ListenerState.CATCHING_UP, "", 12, 3, pulse)
    out = Console(file=StringIO(), width=width, force_terminal=True, color_system=None)
    print_listeners(out, [view])
    assert isinstance(out.file, StringIO)
    head, row = out.file.getvalue().splitlines()
    assert len(re.split(r"  +", head.strip())) == names
    assert row.startswith("accounts-from-erp  ")
    assert row.split()[-2:] == ["12", "3"]
