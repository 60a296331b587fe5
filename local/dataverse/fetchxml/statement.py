"""A FetchXML query as one SQL statement."""

from __future__ import annotations

from dataclasses import dataclass

from local.dataverse.conditions.compiling import Context
from local.dataverse.conditions.seen import Seen
from local.dataverse.fetchxml import columns, faults
from local.dataverse.fetchxml.model import Fetch
from local.dataverse.fetchxml.source import Source
from local.dataverse.odata.options import Preferences
from local.dataverse.odata.reading import Member
from local.dataverse.tables import Tables


@dataclass(frozen=True, slots=True)
class Statement:
    """The parts of the statement, its bound values, and what its rows become."""

    select: str
    source: str
    tail: str
    values: list[object]
    members: list[Member]
    fetch: Fetch

    def page(self, limit: int, skip: int) -> str:
        """The SQL of a page."""
        return f"{self.select} {self.source} {self.tail} LIMIT {limit} OFFSET {skip}"

    def counted(self, limit: int) -> str:
        """The SQL that counts the rows the query is about, up to a limit."""
        select = self.select if self.fetch.distinct else "SELECT 1"
        return f"SELECT count(*) FROM ({select} {self.source} LIMIT {limit})"


def statement(tables: Tables, context: Context, fetch: Fetch, preferences: Preferences) -> Statement:
    """The statement of a query.

    Raises:
        Refusal: the query names what is not there, or asks for what does not go together.
    """
    source = Source.of(tables, context, fetch.entity)
    members = columns.members(source, fetch, preferences)
    groups = columns.grouped(source, fetch)
    terms = ", ".join(member.term for member in members)
    tail = f"GROUP BY {', '.join(groups.values())} " if groups else ""
    order = ", ".join(_orders(source, fetch, members, groups))
    return Statement(
        f"SELECT {'DISTINCT ' if fetch.distinct else ''}{terms}",
        f"FROM {source.clause} {source.where}",
        f"{tail}ORDER BY {order}" if order else tail,
        context.values,
        members,
        fetch,
    )


def _orders(source: Source, fetch: Fetch, members: list[Member], groups: dict[tuple[str, str], str]) -> list[str]:
    """The sort terms; the rows' own order comes last, so that pages neither repeat nor miss a row."""
    found = []
    for place in source.places:
        for order in place.entity.orders:
            down = " DESC" if order.descending else ""
            if order.alias is not None:
                found.append(f"{_named(members, order.alias)}{down}")
            else:
                seen = source.place(order.entity or place.name).column(order.attribute or "")
                found.append(f"{_grouped(seen, groups) if fetch.aggregate else seen.ordered}{down}")
    if fetch.aggregate:
        return found or list(groups.values())
    if fetch.distinct:
        return found or [str(number + 1) for number in range(len(members))]
    return [*found, f"{source.places[0].sql}.rowid"]


def _named(members: list[Member], alias: str) -> str:
    named = next((member for member in members if member.name == alias), None)
    if named is None:
        raise faults.unknown_alias(alias)
    return named.term


def _grouped(seen: Seen, groups: dict[tuple[str, str], str]) -> str:
    term = groups.get((seen.alias, seen.column.name))
    if term is None:
        raise faults.invalid(f"An order by '{seen.column.name}' needs it among the groups; order by an alias.")
    return term
