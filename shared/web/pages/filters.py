"""What templates use to write values: states, times, spans and counts in the words of the whole project."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.values.jobs import JobState
from shared.values.wording import counted, duration, state_words, what_it_did
from shared.web.pages import assets, lines

TONES: Mapping[JobState, str] = {
    JobState.QUEUED: "wait",
    JobState.RUNNING: "wait",
    JobState.AWAITING_APPROVAL: "warn",
    JobState.SUCCEEDED: "ok",
    JobState.COMPLETED_WITH_ERRORS: "warn",
    JobState.FAILED: "bad",
    JobState.CANCELLED: "off",
    JobState.SUPERSEDED: "off",
    JobState.UNDONE: "off",
}
"""The colour of a state's badge; the words say the same."""


def moment(when: datetime) -> str:
    """`2025-03-01 12:00 UTC`; a script writes it anew in the reader's own zone."""
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def number(value: int) -> str:
    """`34,000`."""
    return f"{value:,}"


_NAME = re.compile(r"[._/0-9]")
"""What no plain word has."""


def sentence(text: str) -> str:
    """A message from below as a sentence: it begins with a capital letter, or with the name of a file or setting."""
    first = text.partition(" ")[0].rstrip(":,;.")
    return text if _NAME.search(first) else text[:1].upper() + text[1:]


FILTERS: Mapping[str, Callable[..., Any]] = {
    "counted": counted,
    "did": what_it_did,
    "duration": duration,
    "moment": moment,
    "line": lines.line,
    "number": number,
    "of_path": lines.of_path,
    "sentence": sentence,
    "state_words": state_words,
    "tone": TONES.__getitem__,
    "unlined": lines.unlined,
}
GLOBALS: Mapping[str, Callable[..., Any]] = {"asset": assets.address, "zones": lines.zones}
