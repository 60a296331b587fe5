"""The report on a pull request: which syncs it touches, what each would do, and never a value."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence

import pytest

from tools.deployment.plan_report import MARK, Planned, changed_syncs, planned, report


def saying(stdout: str, stderr: str = "") -> Callable[[Sequence[str]], subprocess.CompletedProcess[str]]:
    return lambda command: subprocess.CompletedProcess(command, 0, stdout, stderr)


def job(**members: object) -> str:
    whole = {"state": "AwaitingApproval", "planned": {}, "brakes": [], "error": None, "source": {"rejected": 0}}
    return json.dumps(whole | members)


def test_only_definitions_count() -> None:
    """Of what a branch changes, the definitions; each once, by name."""
    listed = "syncs/b.yaml\nsyncs/a.yaml\nsyncs/sync.schema.json\nsyncs/notes.md\n"
    assert changed_syncs("origin/main", saying(listed)) == ["a", "b"]
    assert changed_syncs("origin/main", saying("")) == []
    hostile = "syncs/--app=x.yaml\nsyncs/-q.yaml\nsyncs/a|b.yaml\nsyncs/[x](y).yaml\nsyncs/fine-2.yaml\n"
    assert changed_syncs("origin/main", saying(hostile)) == ["fine-2"]


def test_a_plan_is_counted() -> None:
    """By kind of change, with the rejects."""
    told = job(planned={"create": 1200, "delete": 3}, source={"rejected": 7})
    assert planned("a", "state", saying(told)) == Planned("a", (1200, 0, 0, 0, 0, 3), 7)


def test_a_brake_is_told() -> None:
    """Why the job would wait."""
    told = job(brakes=[{"message": "40 % removals;\nallowed 5 %"}])
    assert planned("a", "state", saying(told)).told == "40 % removals; allowed 5 %"


@pytest.mark.parametrize(
    "ran",
    [
        saying("", "Error: no | such\n secret"),
        saying(json.dumps({"error": {"type": "DefinitionError", "message": "no | such\n secret"}})),
    ],
)
def test_what_cannot_be_planned_is_told(ran: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """A sync that needs a file, a broken one, one without a secret: in one line of the table."""
    assert "no / such secret" in planned("a", "state", ran).told


def test_the_table() -> None:
    """One line a sync, its mark first; a pull request without syncs says so."""
    text = report([Planned("a", (1200, 0, 0, 0, 0, 3), 7, "held"), Planned("b", told="no secret")])
    assert text.startswith(MARK)
    assert "| a | 1,200 | 0 | 0 | 0 | 0 | 3 | 7 | held |" in text
    assert "| b | – | – | – | – | – | – | – | no secret |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1
    assert "touches no sync" in report([])
