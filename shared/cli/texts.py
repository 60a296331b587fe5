"""Numbers, times and values as people read them; nothing from outside reaches the terminal unescaped."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from shared.values.wording import counted, duration, state_words

__all__ = [
    "as_called",
    "called",
    "counted",
    "cut",
    "duration",
    "instant",
    "refusal",
    "safe",
    "safe_lines",
    "shortened",
    "state_words",
    "value_text",
]


def called() -> str:
    """How one calls this command, to be copied: `dynsync`; from a clone, what was typed (the script tells it)."""
    return safe(os.environ.get("DYNSYNC_CALLED") or "dynsync")


_COMMAND = re.compile(r"`(?:dynsync (?=[a-z-])|(?=(?:apply|check|plan|rejects|replay|run|show|undo) [^`]))")
"""Where a message from below names a command, in the project's own words."""


def as_called(message: str) -> str:
    """The message with its commands as one calls them here: ``plan SYNC`` may be ``./dynsync plan SYNC``."""
    return _COMMAND.sub(lambda _: f"`{called()} ", message)


def safe(text: str) -> str:
    """The text with everything that is not printable escaped: no value can move the cursor or colour the screen."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def safe_lines(text: str) -> str:
    """Like `safe`, line by line."""
    return "\n".join(safe(line) for line in text.split("\n"))


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, with a mark where something is missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters, without its middle: names of one family differ at their ends."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"


def value_text(value: object) -> str:
    """A field's value in one line."""
    if value is None:
        return "(empty)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return safe(str(value))


def instant(moment: datetime) -> str:
    """`2025-03-01 12:00:07 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def refusal(error: OSError) -> str:
    """What the system refused, where, and what to do."""
    place = f"{error.filename} cannot be used" if error.filename else "something cannot be read or written"
    reason = error.strerror or type(error).__name__
    return f"{place} ({reason}); see that it is there, that you may write to it and that the disk has room"
