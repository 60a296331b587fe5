"""Pages: where the next one begins, as an opaque token in the service's own clothes."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote

import orjson

from local.dataverse import refusals

_COOKIE = re.compile(r'<cookie pagenumber="(\d{1,9})" pagingcookie="([^"]*)" istracking="(?:False|True)" ?/>')
_LAST = re.compile(r'<cookie page="\d+"><position last="([\w=-]+)" /></cookie>')


@dataclass(frozen=True, slots=True)
class Position:
    """The page to come and the sort values, then the row number, of the last row before it."""

    page: int
    last: tuple[object, ...]


def token(position: Position, *, tracking: bool = False) -> str:
    """A position as `$skiptoken`, ready for a URL."""
    last = urlsafe_b64encode(orjson.dumps(position.last)).decode()
    inner = quote(f'<cookie page="{position.page - 1}"><position last="{last}" /></cookie>', safe="")
    outer = f'<cookie pagenumber="{position.page}" pagingcookie="{quote(inner, safe="")}" istracking="{tracking}" />'
    return quote(outer, safe="=/")


def position(text: str, width: int) -> Position:
    """The position in a decoded `$skiptoken` of a query with `width` sort values.

    Raises:
        Refusal: the token was edited, or belongs to another query.
    """
    cookie = _COOKIE.fullmatch(text)
    last = _LAST.fullmatch(unquote(unquote(cookie[2]))) if cookie else None
    try:
        values = orjson.loads(urlsafe_b64decode(last[1])) if last else None
    except ValueError:
        values = None
    if cookie is None or not isinstance(values, list) or len(values) != width or not all(map(_storable, values)):
        raise refusals.query("The $skiptoken is malformed: use the @odata.nextLink as it was given.")
    return Position(int(cookie[1]), tuple(values))


def _storable(value: object) -> bool:
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, str | float)


def after(terms: Sequence[tuple[str, bool]], last: Sequence[object], bound: Callable[[object], str]) -> str:
    """The condition for rows behind a position; nulls sort before everything."""
    marks = [bound(value) for value in last]
    tests: list[str] = []
    first, descending = terms[0]
    if not descending and last[0] is not None:
        tests.append(f"{first} >= {marks[0]}")
    ways: list[str] = []
    for at, (term, down) in enumerate(terms):
        way = [f"{same} IS {mark}" for (same, _), mark in zip(terms[:at], marks, strict=False)]
        way.append(_beyond(term, down, last[at], marks[at]))
        ways.append(" AND ".join(way))
    tests.append("(" + " OR ".join(f"({way})" for way in ways) + ")")
    return " AND ".join(tests)


def beyond(terms: Sequence[tuple[str, bool]], at: int, last: Sequence[object], bound: Callable[[object], str]) -> str:
    """The condition for rows behind a position that equal it in the first `at` terms: one range of an index.

    From the last term to the first, these ranges together are all rows behind the position, in their order.
    """
    tests = [f"{same} IS {bound(value)}" for (same, _), value in zip(terms[:at], last, strict=False)]
    term, down = terms[at]
    tests.append(_beyond(term, down, last[at], "" if last[at] is None else bound(last[at])))
    return " AND ".join(tests)


def _beyond(term: str, down: bool, value: object, mark: str) -> str:
    if value is None:
        return "0" if down else f"{term} IS NOT NULL"
    return f"({term} < {mark} OR {term} IS NULL)" if down else f"{term} > {mark}"
