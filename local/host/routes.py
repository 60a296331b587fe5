"""Route templates as the host has them: `jobs/{id:int}`, `{*rest}`, `{name?}`; literals in any case.

Of several that fit, the host calls the function whose name comes first, not the most precise route.
Source: Microsoft Learn, "Routing in ASP.NET Core", route constraints (2025);
https://github.com/Azure/azure-functions-host/issues/9876.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from local.host.refusals import HostError

_PART = re.compile(r"\{(\*{0,2})([A-Za-z_][A-Za-z0-9_]*)(?::([A-Za-z]+)(?:\(([^)]*)\))?)?(\?)?\}")


def _guid(text: str) -> bool:
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


_RULES: Mapping[str, Callable[[str], bool]] = {
    "int": lambda text: re.fullmatch(r"[+-]?\d{1,10}", text) is not None,
    "long": lambda text: re.fullmatch(r"[+-]?\d{1,19}", text) is not None,
    "guid": _guid,
    "alpha": lambda text: re.fullmatch(r"[A-Za-z]+", text) is not None,
    "bool": lambda text: text.lower() in ("true", "false"),
}


@dataclass(frozen=True, slots=True)
class _Segment:
    """One part between slashes; a parameter when it has a `name`."""

    literal: str = ""
    name: str = ""
    rule: str = ""
    rest: bool = False
    optional: bool = False

    def takes(self, text: str) -> bool:
        """Whether it matches one part of a path."""
        if not self.name:
            return text.lower() == self.literal.lower()
        return not self.rule or _RULES[self.rule](text)


@dataclass(frozen=True, slots=True)
class Template:
    """A route, taken apart."""

    text: str
    segments: tuple[_Segment, ...]

    @classmethod
    def read(cls, text: str) -> Template:
        """Take a route apart. Raises `HostError` when it is none that the host knows."""
        segments = tuple(_segment(part, text) for part in text.split("/") if part)
        for one in segments[:-1]:
            if one.rest or one.optional:
                raise HostError(f"route {text!r}: {one.name} must be the last part")
        return cls(text, segments)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters of a path (as it came, percent-encoded); None when it is another."""
        parts = [part for part in path.split("/") if part]
        found: dict[str, str] = {}
        for number, segment in enumerate(self.segments):
            if segment.rest:
                found[segment.name] = unquote("/".join(parts[number:]))
                return found
            if number >= len(parts):
                return found if segment.optional else None
            text = unquote(parts[number])
            if not segment.takes(text):
                return None
            if segment.name:
                found[segment.name] = text
        return found if len(parts) == len(self.segments) else None


def _segment(text: str, route: str) -> _Segment:
    if "{" not in text and "}" not in text:
        return _Segment(literal=text)
    found = _PART.fullmatch(text)
    if found is None:
        raise HostError(f"route {route!r}: the local host does not understand {text!r}; write {{name}}, {{name:int}} …")
    stars, name, rule, argument, optional = found.groups()
    if rule and (rule.lower() not in _RULES or argument):
        raise HostError(f"route {route!r}: constraint {rule!r} is none of {', '.join(_RULES)}")
    return _Segment(name=name, rule=(rule or "").lower(), rest=bool(stars), optional=bool(optional))
