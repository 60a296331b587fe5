"""Problems of a definition on its pages: the line that each is in, and those of one setting."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from zoneinfo import available_timezones

from shared.values.problems import Problem

_AT_END = re.compile(r" \(line ([0-9]{1,9})\)$")
_ANYWHERE = re.compile(r"\bline ([0-9]{1,9})\b")


def line(found: str) -> int | None:
    """The line that a problem names, the last one in its words at best."""
    match = _AT_END.search(found) or _ANYWHERE.search(found)
    return int(match[1]) if match is not None else None


def unlined(found: str) -> str:
    """A problem's words without the line at their end, where that is told beside them."""
    return _AT_END.sub("", found)


def of_path(problems: Iterable[Problem], path: str) -> list[Problem]:
    """Those of a setting, and of what is in it."""
    return [one for one in problems if one.path == path or one.path.startswith(f"{path}.")]


@cache
def zones() -> list[str]:
    """Names of time zones to choose from: those of places, and UTC."""
    return ["UTC", *sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))]
