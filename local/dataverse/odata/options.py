"""The options of a query string, and of the `Prefer` header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

from local.dataverse import refusals
from local.dataverse.odata.expands import Expand, expands, names, orders, top

MAX_PAGE = 5000
_KNOWN = frozenset(("$select", "$expand", "$filter", "$orderby", "$top", "$count", "$skiptoken"))
_ROWS = {
    "$apply": "apply",
    "$deltatoken": "delta",
    "fetchXml": "fetch",
    "sql": "sql",
    "savedQuery": "saved",
    "userQuery": "own",
}
"""Options that only the rows of a set have."""
_UNSUPPORTED = frozenset(("$skip", "$search", "$format"))


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
    apply: str | None = None
    delta: str | None = None
    fetch: str | None = None
    sql: str | None = None
    saved: str | None = None
    own: str | None = None
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
        if self.track_changes:
            parts.append("odata.track-changes")
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


def read(query: str, *, rows: bool = False) -> Options:
    """The options of a query string; `rows` for a query of an entity set, which knows more of them.

    Raises:
        Refusal: an option is unknown, unsupported or malformed.
    """
    given = pairs(query)
    for name in given:
        if name in _UNSUPPORTED or (name.startswith("$") and name not in _KNOWN and name not in _ROWS):
            raise refusals.query(f"The query parameter {name} is not supported")
        if name in _ROWS and not rows:
            raise refusals.query(f"The query parameter {name} is not supported")
    return Options(
        select=names(given.get("$select", "")),
        expand=expands(given.get("$expand", "")),
        filter=given.get("$filter"),
        orderby=orders(_aliased(given.get("$orderby", ""), given)),
        top=top(given.get("$top")),
        count=_flag(given.get("$count")),
        skiptoken=given.get("$skiptoken"),
        aliases={name: value for name, value in given.items() if name.startswith("@")},
        **{word: given[name] for name, word in _ROWS.items() if name in given},
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


def _aliased(text: str, given: Mapping[str, str]) -> str:
    return re.sub(r"@\w+", lambda found: given.get(found[0], "null"), text)


def _flag(text: str | None) -> bool:
    if text not in (None, "true", "false"):
        raise refusals.query(
            f"Invalid value '{str(text)[:100]}' for $count query option found. Valid values are 'true' and 'false'."
        )
    return text == "true"
