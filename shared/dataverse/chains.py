"""Reads a large table by several chains of pages at once where that pays, else by one.

Each page leads to the next, so one chain has one request under way. Several chains go side by side when each holds the
rows that were created in a span of time, and all spans together are all of time; rows without a time of creation have a
chain of their own. How rows spread over time is not known, so nothing is planned: whoever has nothing to do takes the
later half of what the longest chain has left. That chain goes on until it meets rows of the other one; these few rows
come twice.

A table changes while it is read, with one chain or with several. Who reads has to read again what was touched
meanwhile, and to let the newest page count; so several chains are for tables that keep when a row was changed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from shared.dataverse import reading
from shared.dataverse.crew import Chain, Crew
from shared.dataverse.queries import both
from shared.dataverse.reading import Reader, Trail
from shared.errors import DestinationError
from shared.values.tables import Table

CREATED, CHANGED = "createdon", "modifiedon"
MOST_CHAINS = 8
FEWEST_PAGES = 5
PROBED = 2
"""Pages of the one chain that every reading begins with; they tell what a page takes."""
SLOW_S = 0.2
"""A service that gives a page in less has no need of several chains."""
_DEARER = 2.0
"""So much longer than before may a page take when rows come in the order of their creation."""
_TAIL = 1 << 16
_MEMBER = f'"{CREATED}":'.encode()
_MOMENT = re.compile(_MEMBER + rb'\s*"([0-9T:.Z+-]{10,40})"')


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a chain: the link to go on with, and the time of creation where another one begins."""

    link: str
    until: datetime | None = None


@dataclass(slots=True)
class Course:
    """How far a table is read: what was left at the beginning (nothing: it begins), and what is after each page."""

    begun: tuple[Rest, ...] = ()
    after: list[tuple[Rest, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TablePages:
    """The pages of a table, each as its JSON array; iterate once. `columns` are logical names.

    `useful` says how many requests at a time make sense. What another reading left in several chains is gone on with in
    several; what it left in one stays one.
    """

    reader: Reader
    table: Table
    columns: Sequence[str]
    filter: str | None
    useful: Callable[[], int]
    course: Course = field(default_factory=Course)
    clock_s: Callable[[], float] = time.monotonic

    def __iter__(self) -> Iterator[memoryview]:
        begun = self.course.begun
        if len(begun) > 1 or any(rest.until for rest in begun):
            return self._together([self._chain(rest) for rest in begun])
        return self._alone(begun[0].link if begun else None)

    def _alone(self, start: str | None) -> Iterator[memoryview]:
        """One chain in the order of the ids; others take its place when it proves slow."""
        trail = Trail(start)
        spent_s, began_s = 0.0, self.clock_s()
        for page in self.reader.pages(self.table, self.columns, filter=self.filter, trail=trail):
            spent_s += self.clock_s() - began_s
            link = trail.links[-1]
            self.course.after.append((Rest(link),) if link else ())
            yield page
            if start is None and link and len(trail.links) == PROBED:
                page_s = spent_s / PROBED
                first = self._first(page_s) if self._may_pay(page_s) else None
                if first is not None:
                    yield from self._together([first, self._undated()])
                    return
            began_s = self.clock_s()

    def _may_pay(self, page_s: float) -> bool:
        known = {CREATED, CHANGED} <= self.table.columns.keys() and not self.table.elastic
        if not known or page_s < SLOW_S or self.useful() < 2:
            return False
        return self.reader.at_least(self.table, self.filter) >= FEWEST_PAGES * reading.PAGE_SIZE

    def _first(self, page_s: float) -> Chain | None:
        """The chain of all that has a time of creation, with its first page; None when such an order is dear."""
        first = self._span(None, None)
        began_s = self.clock_s()
        try:
            page = next(first.pages, None)
        except DestinationError:  # it will not be ordered that way
            return None
        if page is None or self.clock_s() - began_s > _DEARER * page_s:
            return None
        first.ahead = page
        return first

    def _together(self, chains: Sequence[Chain]) -> Iterator[memoryview]:
        newest = self.reader.newest(self.table, CREATED, self.filter)
        crew = Crew(chains, min(self.useful(), MOST_CHAINS), self._span, newest or datetime.now(UTC))
        for page, left in crew.pages():
            self.course.after.append(tuple(Rest(link, until) for link, until in left))
            yield page
        if self.course.after:
            self.course.after[-1] = ()

    def _chain(self, rest: Rest) -> Chain:
        trail = Trail(rest.link)
        pages = self.reader.pages(self.table, [*self.columns, CREATED], trail=trail)
        return Chain(rest.link, rest.until, trail, pages, created_within)

    def _span(self, since: datetime | None, until: datetime | None) -> Chain:
        """A chain of the rows created from `since` to before `until`; without either, of all created at some time."""
        ends = [f"{CREATED} ge {_literal(since)}"] if since else [f"{CREATED} ne null"]
        ends += [f"{CREATED} lt {_literal(until)}"] if until else []
        return self._chain(Rest(self._path(" and ".join(ends)), until))

    def _undated(self) -> Chain:
        return self._chain(Rest(self._path(f"{CREATED} eq null")))

    def _path(self, span: str) -> str:
        columns = [*self.columns, CREATED]
        return self.reader.first_page(self.table, columns, filter=both(self.filter, span), order_by=[CREATED])


def _literal(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def created_within(page: memoryview) -> tuple[datetime, datetime] | None:
    """When the first and the last row of a page were created; None when that is not told.

    The member's name and its colon cannot stand within a text: there, its quotes would be escaped.
    """
    first = _MOMENT.search(page)
    tail = bytes(page[-_TAIL:])
    if _MEMBER not in tail:
        tail = bytes(page)
    last = _MOMENT.match(tail, tail.rfind(_MEMBER)) if _MEMBER in tail else None
    if first is None or last is None:
        return None
    try:
        return _moment(first[1]), _moment(last[1])
    except ValueError:
        return None


def _moment(text: bytes) -> datetime:
    moment = datetime.fromisoformat(text.decode())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
