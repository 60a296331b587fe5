"""What real time set aside or lets wait fits the terminal: short cells in columns, reasons at full width."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from shared.cli.screens.events import print_parked, print_rejected, print_with_reasons
from shared.values.events import Event, Hold, Operation, Origin, ParkedEvent, RejectedEvent
from shared.values.records import Reject, RejectType

AT = datetime(2026, 1, 31, 8, tzinfo=UTC)
REASON = "the value has 260 characters, and at most 160 are allowed in the column that it is mapped to"


def drawn(print_, *arguments: object, width: int = 60, terminal: bool = True) -> list[str]:
    """The lines of a screen."""
    text = StringIO()
    print_(Console(file=text, width=width, force_terminal=terminal, color_system=None, highlight=False), *arguments)
    return text.getvalue().splitlines()


def rejected(key: str) -> RejectedEvent:
    reject = Reject(None, key, RejectType.MAX_LENGTH, "name", None, REASON)
    return RejectedEvent("accounts", Origin(4711), reject, AT)


@pytest.mark.parametrize("width", [50, 80])
def test_a_long_reason_stands_under_its_row(width: int) -> None:
    """Nothing is folded within a cell, whatever the width; words stay whole."""
    head, row, *reason = drawn(print_rejected, [rejected("C-1001\x1b")], width=width)
    assert head.split() == ["Message", "Key", "Error", "Column"]
    assert row.split()[:2] == ["4711", "C-1001\\x1b"]
    assert all(line.startswith("    ") and len(line) <= width for line in reason)
    assert " ".join(line.strip() for line in reason) == REASON


def test_a_file_gets_each_reason_whole() -> None:
    """One line, to be searched; columns are as wide as their longest cell."""
    lines = drawn(print_rejected, [rejected("C-1"), rejected("x" * 99)], terminal=False)
    assert lines[2] == lines[4] == f"    {REASON}"
    assert lines[1].index(RejectType.MAX_LENGTH.value) == lines[3].index(RejectType.MAX_LENGTH.value)


def test_what_waits_says_why() -> None:
    """The kind of reason in its column, what more is known of it beneath."""
    one = ParkedEvent(
        "digest",
        Event("accounts", Operation.UPSERT, {}, Origin(12)),
        Hold.OUTAGE,
        "no answer from https://org.example",
        AT,
    )
    assert drawn(print_parked, [one], width=80)[1:] == [
        "12       2026-01-31 08:00Z  outage",
        "    no answer from https://org.example",
    ]
    assert drawn(print_with_reasons, ["A"], []) == []
