"""Screens, sign by sign, at 100 columns without colour: tests/fixtures/cli/*.txt."""

from __future__ import annotations

import pytest

from tests.unit.cli.cases import (
    CLEAN,
    FAILED,
    FIXTURES,
    HELD,
    PROBLEMS,
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
    "show": (MadeUpApp(), ["show", CLEAN.id]),
    "show_changes": (MadeUpApp(), ["show", WAITING.id, "--changes"]),
    "show_one_action": (MadeUpApp(), ["show", WAITING.id, "--action", "delete"]),
    "show_one_key": (MadeUpApp(), ["show", WAITING.id, "--changes", "--key", "C-4004"]),
    "show_no_such_key": (MadeUpApp(), ["show", WAITING.id, "--key", "C-9"]),
    "jobs": (MadeUpApp(), ["jobs"]),
    "jobs_none": (MadeUpApp(), ["jobs", "--sync", "contacts"]),
    "rejects": (MadeUpApp(), ["rejects", WITH_REJECTS.id]),
    "rejects_none": (MadeUpApp(), ["rejects", CLEAN.id]),
    "check": (MadeUpApp(problems=PROBLEMS), ["check"]),
    "check_fine": (MadeUpApp(), ["check", "accounts-from-erp"]),
}


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
