"""A FetchXML query as frozen values.

Source: Microsoft Learn, "FetchXml reference", read November 2026.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

DATE_GROUPS = frozenset(("day", "week", "month", "quarter", "year", "fiscal-period", "fiscal-year"))
JOINS = frozenset(("inner", "outer", "exists", "in"))
FILTER_JOINS = frozenset(("any", "not any", "all", "not all"))


@dataclass(frozen=True, slots=True)
class Attribute:
    """One column to return, to aggregate or to group by."""

    name: str
    alias: str | None = None
    aggregate: str | None = None
    groupby: bool = False
    distinct: bool = False
    dategrouping: str | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `entity` names another alias, `valueof` another column to compare with."""

    attribute: str
    operator: str
    values: tuple[str, ...] = ()
    entity: str | None = None
    valueof: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions, filters and links joined by *and*, or by *or* when `either`."""

    either: bool
    parts: tuple[Condition | Filter | Entity, ...]

    def links(self) -> Iterator[Entity]:
        """The links inside this filter and the filters below it."""
        for part in self.parts:
            if isinstance(part, Entity):
                yield part
            elif isinstance(part, Filter):
                yield from part.links()


@dataclass(frozen=True, slots=True)
class Order:
    """One sort term: a column (of another alias when `entity` is named), or the alias of an aggregate."""

    attribute: str | None
    alias: str | None = None
    entity: str | None = None
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """How a linked entity joins: its column `own` equals the parent's column `outer`."""

    own: str
    outer: str
    kind: str = "inner"


@dataclass(frozen=True, slots=True)
class Entity:
    """The entity of a query, or one that is linked to it (`join`)."""

    name: str
    attributes: tuple[Attribute, ...] = ()
    every: bool = False
    filters: tuple[Filter, ...] = ()
    orders: tuple[Order, ...] = ()
    links: tuple[Entity, ...] = ()
    alias: str | None = None
    join: Join | None = None

    def joins(self) -> Iterator[Join]:
        """How every entity below this one joins, those inside filters too."""
        for link in (*self.links, *(link for part in self.filters for link in part.links())):
            if link.join is not None:
                yield link.join
            yield from link.joins()


@dataclass(frozen=True, slots=True)
class Fetch:
    """A whole query; `skip` rows are left out before `limit` rows are returned."""

    entity: Entity
    top: int | None = None
    page: int = 1
    count: int | None = None
    cookie: str | None = None
    distinct: bool = False
    aggregate: bool = False
    total: bool = False
    skip: int = 0
