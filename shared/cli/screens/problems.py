"""What `check` found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from shared.cli.screens.paper import say
from shared.cli.texts import as_called, counted, safe, safe_lines
from shared.values.problems import Problem, Severity

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: ""}


def print_problems(out: Console, found: Mapping[str, Sequence[Problem]]) -> None:
    """Sync by sync: all problems, errors first."""
    for sync, problems in found.items():
        say(out, (safe(sync), "bold"), ": ", _verdict(problems))
        for problem in sorted(problems, key=lambda one: list(Severity).index(one.severity)):
            print_problem(out, problem)


def _verdict(problems: Sequence[Problem]) -> tuple[str, str]:
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    warnings = sum(problem.severity is Severity.WARNING for problem in problems)
    words = [counted(errors, "error")] * bool(errors) + [counted(warnings, "warning")] * bool(warnings)
    style = "red" if errors else "yellow" if warnings else "green"
    return ", ".join(words) or "fine", style


def print_problem(out: Console, problem: Problem) -> None:
    """One problem and its remedy."""
    style = _STYLES[problem.severity]
    place = f" {safe(problem.path)}:" if problem.path else ""
    say(out, "  ", (problem.severity.value, style), f"{place} {safe_lines(as_called(problem.found))}", hang=4)
    if problem.remedy:
        say(out, f"    → {safe_lines(as_called(problem.remedy))}", hang=6)
