"""Log lines: one event, one line, `noun.past_verb name=value name=value`."""

from __future__ import annotations

import logging
import re
from datetime import datetime

_NAME = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
_BARE = re.compile(r"[A-Za-z0-9_.:/@+-]+")
_LONGEST = 500

IRREGULAR_PASTS = frozenset(
    {"become", "begun", "bound", "broken", "built", "done", "found", "given", "gone", "held", "kept", "left", "lost"}
    | {"met", "put", "read", "run", "sent", "set", "split", "stuck", "taken", "told", "won", "written"}
)
"""Past forms that do not end in -ed."""


def event(logger: logging.Logger, name: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """Log one event as one line: `job.finished sync=accounts created=98`.

    Fields stand in the order given. Text that is not plain is quoted, and what cannot be printed is escaped, so a
    value can never start a line of its own. Callers pass names, ids and counts: never a field value, key or secret.
    The record carries name and fields too, as `event` and `fields`.

    Raises:
        ValueError: the name is not `noun.past_verb`.
    """
    if not is_event_name(name):
        raise ValueError(f"event name {name!r} is not of the form noun.past_verb, such as job.finished")
    if logger.isEnabledFor(level):
        line = " ".join([name, *(f"{key}={_worded(value)}" for key, value in fields.items())])
        logger.log(level, "%s", line, stacklevel=2, extra={"event": name, "fields": fields})


def is_event_name(name: str) -> bool:
    """Whether `name` is `noun.past_verb`: lower case, one dot, the verb in its past form."""
    if not _NAME.fullmatch(name):
        return False
    verb = name.partition(".")[2].partition("_")[0]
    return verb.endswith("ed") or verb in IRREGULAR_PASTS


def _worded(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return text if _BARE.fullmatch(text) else f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return "".join(_escaped_character(character) for character in text)


def _escaped_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
