"""The options of a query string, and of the `Prefer` header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from local.dataverse import refusals

MAX_PAGE = 5000
_KNOWN = frozenset(("$select", "$expand", "$filter", "$orderby", "$top", "$count", "$skiptoken"))
_UNSUPPORTED = frozenset(("$skip", "$search", "$format"))
_LATER = {
    "$apply": "$apply",
    "$deltatoken": "Change tracking",
    "fetchXml": "FetchXML",
    "sql": "The sql query",
    "savedQuery": "savedQuery",
    "userQuery": "userQuery",
}


@dataclass(frozen=True, slots=True)
class Expand:
    """One expanded navigation property."""

    navigation: str
    select: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one query; `aliases` are the `@p` parameters."""

    select: tuple[str, ...] = ()
    expand: tuple[Expand, ...] = ()
    filter: str | None = None
    orderby: tuple[tuple[str, bool], ...] = ()
    top: int | None = None
    count: bool = False
    skiptoken: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the `Prefer` header asks for."""

    page: int | None = None
    annotations: tuple[str, ...] = ()
    representation: bool = False
    continue_on_error: bool = False
    track_changes: bool = False

    def wants(self, annotation: str) -> bool:
        """Whether an annotation is to be included."""
        return any(_fits(pattern, annotation) for pattern in self.annotations)

    @property
    def applied(self) -> str:
        """The `Preference-Applied` header."""
        parts = []
        if self.representation:
            parts.append("return=representation")
        if self.page is not None:
            parts.append(f"odata.maxpagesize={self.page}")
        if self.annotations:
            parts.append(f'odata.include-annotations="{",".join(self.annotations)}"')
        return ",".join(parts)


def pairs(query: str) -> dict[str, str]:
    """The decoded members of a query string.

    Raises:
        Refusal: an option is given twice.
    """
    found: dict[str, str] = {}
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name = unquote_plus(name)
        if name in found and name.startswith("$"):
            raise refusals.query(
                f"Query option '{name}' was specified more than once, but it must be specified at most once."
            )
        found[name] = unquote_plus(value)
    return found


def read(query: str) -> Options:
    """The options of a query string.

    Raises:
        Refusal: an option is unknown, unsupported or malformed.
    """
    given = pairs(query)
    for name in given:
        if name in _UNSUPPORTED:
            raise refusals.query(f"The query parameter {name} is not supported")
        if name in _LATER:
            raise refusals.not_built(_LATER[name])
        if name.startswith("$") and name not in _KNOWN:
            raise refusals.query(f"The query parameter {name} is not supported")
    return Options(
        select=_names(given.get("$select", "")),
        expand=_expands(given.get("$expand", "")),
        filter=given.get("$filter"),
        orderby=_orders(_aliased(given.get("$orderby", ""), given)),
        top=_top(given.get("$top")),
        count=_flag(given.get("$count")),
        skiptoken=given.get("$skiptoken"),
        aliases={name: value for name, value in given.items() if name.startswith("@")},
    )


def preferences(header: str) -> Preferences:
    """The `Prefer` header, as far as it is understood; the rest is ignored, as HTTP says."""
    page = re.search(r"odata\.maxpagesize\s*=\s*(\d{1,9})", header)
    annotations = re.search(r'odata\.include-annotations\s*=\s*(?:"([^"]*)"|([^,;\s]+))', header)
    listed = (annotations[1] or annotations[2] or "") if annotations else ""
    return Preferences(
        page=max(1, min(int(page[1]), MAX_PAGE)) if page else None,
        annotations=tuple(part.strip() for part in listed.split(",") if part.strip()),
        representation="return=representation" in header.replace(" ", ""),
        continue_on_error="odata.continue-on-error" in header,
        track_changes="odata.track-changes" in header,
    )


def _fits(pattern: str, annotation: str) -> bool:
    if pattern.endswith("*"):
        return annotation.startswith(pattern[:-1])
    return annotation == pattern


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _expands(text: str) -> tuple[Expand, ...]:
    found = []
    for part in _split(text, ","):
        matched = re.fullmatch(r"\s*([A-Za-z_]\w*)\s*(?:\((.*)\))?\s*", part, re.DOTALL)
        if matched is None:
            raise refusals.query(f"Term '{part[:100]}' is not valid in a $select or $expand expression.")
        found.append(Expand(matched[1], _inner_select(matched[2] or "")))
    if len(found) > 15:
        raise refusals.query("Number of link entity: exceeded maximum limit of 15")
    return tuple(found)


def _inner_select(text: str) -> tuple[str, ...]:
    select: tuple[str, ...] = ()
    for option in _split(text, ";"):
        name, _, value = option.partition("=")
        if name.strip() == "$select":
            select = _names(value)
        elif name.strip() in ("$expand", "$filter", "$orderby", "$top"):
            raise refusals.not_built(f"{name.strip()} inside $expand")
        else:
            raise refusals.query(f"The query parameter {name.strip()[:50]} is not supported inside $expand")
    return select


def _split(text: str, separator: str) -> list[str]:
    """Parts of a text at a separator that stands outside brackets."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == separator and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]


def _aliased(text: str, given: Mapping[str, str]) -> str:
    return re.sub(r"@\w+", lambda found: given.get(found[0], "null"), text)


def _orders(text: str) -> tuple[tuple[str, bool], ...]:
    found = []
    for part in _split(text, ","):
        words = part.split()
        if len(words) > 2 or (len(words) == 2 and words[1] not in ("asc", "desc")):
            raise refusals.query(f"Syntax error at '{part.strip()[:100]}' in $orderby.")
        found.append((words[0], len(words) == 2 and words[1] == "desc"))
    return tuple(found)


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,9}", text.strip()):
        raise refusals.query(
            f"Invalid value '{text[:100]}' for $top query option found. The $top query option requires "
            "a non-negative integer value."
        )
    return int(text)


def _flag(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise refusals.query(
            f"Invalid value '{str(text)[:100]}' for $count query option found. Valid values are 'true' and 'false'."
        )
    return text == "true"
