"""`$expand`, `$select`, `$orderby` and `$top` as frozen values; an expand holds the same options again, in brackets."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.dataverse import refusals

MAX_EXPANDS = 15
MAX_DEPTH = 10
_QUOTED = re.compile("'[^']*'|\"[^\"]*\"")
_TERM = re.compile(r"\s*([A-Za-z_]\w*)\s*(/\s*\$ref)?\s*(?:\((.*)\))?\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Expand:
    """One expanded navigation property with the options in its brackets; `ref` asks for links only."""

    navigation: str
    select: tuple[str, ...] = ()
    filter: str | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    expand: tuple[Expand, ...] = ()
    ref: bool = False

    @property
    def shown(self) -> str:
        """The expand as the context URL names it."""
        if self.ref:
            return f"{self.navigation}/$ref"
        return f"{self.navigation}({','.join([*self.select, *(inner.shown for inner in self.expand)])})"


def expands(text: str) -> tuple[Expand, ...]:
    """The expands of a `$expand`.

    Raises:
        Refusal: it cannot be understood, or holds too many.
    """
    found = _expands(text, 1)
    if _counted(found) > MAX_EXPANDS:
        raise refusals.query(f"Number of link entity: {_counted(found)} exceeded limit {MAX_EXPANDS}")
    return found


def names(text: str) -> tuple[str, ...]:
    """The names of a `$select`, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def orders(text: str) -> tuple[tuple[str, bool], ...]:
    """The paths of an `$orderby`, each with whether it descends.

    Raises:
        Refusal: it cannot be understood.
    """
    found = []
    for part in split(text, ","):
        words = part.split()
        if len(words) > 2 or (len(words) == 2 and words[1] not in ("asc", "desc")):
            raise refusals.query(f"Syntax error at '{part.strip()[:100]}' in $orderby.")
        found.append((words[0], len(words) == 2 and words[1] == "desc"))
    return tuple(found)


def top(text: str | None) -> int | None:
    """The number of a `$top`.

    Raises:
        Refusal: it is none.
    """
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        raise refusals.query(
            f"Invalid value '{text[:100]}' for $top query option found. The $top query option requires "
            "a non-negative integer value."
        )
    return int(text)


def split(text: str, separator: str) -> list[str]:
    """Parts of a text at a separator that stands outside brackets and quotes."""
    parts, depth, start, quoted = [], 0, 0, False
    for at, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        if quoted:
            continue
        depth += (character == "(") - (character == ")")
        if character == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _expands(text: str, depth: int) -> tuple[Expand, ...]:
    if depth > MAX_DEPTH:
        raise refusals.query("The $expand is nested too deeply.")
    return tuple(_expand(part, depth) for part in split(text, ","))


def _expand(part: str, depth: int) -> Expand:
    matched = _TERM.fullmatch(part)
    if matched is None or (matched[2] and matched[3] is not None):
        raise refusals.query(f"Term '{part[:100]}' is not valid in a $select or $expand expression.")
    given = _options(matched[3] or "")
    alias = re.search(r"@\w+", _QUOTED.sub("", f"{given.get('$filter', '')};{given.get('$orderby', '')}"))
    if alias:
        raise refusals.query(f"The parameter alias '{alias[0][:50]}' cannot be used inside $expand.")
    return Expand(
        matched[1],
        names(given.get("$select", "")),
        given.get("$filter"),
        orders(given.get("$orderby", "")),
        top(given.get("$top")),
        _expands(given.get("$expand", ""), depth + 1),
        ref=matched[2] is not None,
    )


def _options(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for option in split(text, ";"):
        name, _, value = option.partition("=")
        name = name.strip()
        if name not in ("$select", "$filter", "$orderby", "$top", "$expand") or name in given:
            raise refusals.query(f"The query parameter {name[:50]} is not supported inside $expand")
        given[name] = value
    return given


def _counted(found: tuple[Expand, ...]) -> int:
    return sum(1 + _counted(expand.expand) for expand in found)
