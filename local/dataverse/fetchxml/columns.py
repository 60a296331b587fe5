"""What a FetchXML query returns of each row: columns with their annotations, aggregates, groups."""

from __future__ import annotations

from local.dataverse.conditions import aggregates
from local.dataverse.conditions.seen import Seen
from local.dataverse.fetchxml import faults
from local.dataverse.fetchxml.model import Attribute, Fetch
from local.dataverse.fetchxml.source import Place, Source
from local.dataverse.odata import reading
from local.dataverse.odata.options import Preferences
from local.dataverse.odata.reading import Member
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Column, Kind

_PARTS = {
    "day": "CAST(substr({0}, 9, 2) AS INTEGER)",
    "month": "CAST(substr({0}, 6, 2) AS INTEGER)",
    "year": "CAST(substr({0}, 1, 4) AS INTEGER)",
    "fiscal-year": "CAST(substr({0}, 1, 4) AS INTEGER)",
    "quarter": "(CAST(substr({0}, 6, 2) AS INTEGER) + 2) / 3",
    "fiscal-period": "(CAST(substr({0}, 6, 2) AS INTEGER) + 2) / 3",
    "week": "((CAST(strftime('%j', {0}) AS INTEGER) - 1 "
    "+ CAST(strftime('%w', substr({0}, 1, 4) || '-01-01') AS INTEGER)) / 7 + 1)",
}
"""Parts of dates, UTC; weeks begin on Sunday, the first holds the first of January."""


def members(source: Source, fetch: Fetch, preferences: Preferences) -> list[Member]:
    """The members of each row of the reply.

    Raises:
        Refusal: a column is none, or an alias is missing or given twice.
    """
    found: list[Member] = []
    for number, place in enumerate(source.places):
        if fetch.aggregate:
            for attribute in place.entity.attributes:
                found += _aggregated(source, place, attribute, preferences)
        elif number == 0:
            found += _own(source, place, fetch, preferences)
        else:
            found += _linked(source, place, preferences)
    names = [member.name for member in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise faults.bad_alias(twice)
    if not found:
        raise faults.invalid("The query returns no column.")
    return found


def grouped(source: Source, fetch: Fetch) -> dict[tuple[str, str], str]:
    """The terms to group by, by the alias of the table and the column."""
    found = {}
    for place in source.places:
        for attribute in place.entity.attributes if fetch.aggregate else ():
            if attribute.groupby:
                found[place.sql, attribute.name] = _group(place.column(attribute.name), attribute)
    return found


def _own(source: Source, place: Place, fetch: Fetch, preferences: Preferences) -> list[Member]:
    """The entity's own columns, all when none is named; with the id and the version unless rows are made distinct."""
    entity = place.entity
    start = [] if fetch.distinct else [Member("@odata.etag", f"{place.sql}.versionnumber", reading.etags)]
    if entity.every or not (entity.attributes or fetch.distinct):
        columns = list(place.table.columns.values())
        return [*start, *reading.members(source.tables, place.table, columns, preferences, place.sql)]
    found = start
    for attribute in entity.attributes:
        found += _plain(source, place, attribute, preferences, attribute.alias, optional=attribute.alias is not None)
    key = place.table.columns[place.table.id_column]
    if not fetch.distinct and all(attribute.name != key.name for attribute in entity.attributes):
        found += reading.members(source.tables, place.table, [key], preferences, place.sql)
    return found


def _linked(source: Source, place: Place, preferences: Preferences) -> list[Member]:
    """The columns of a linked entity: `alias.column`, or under their own alias; left out where they have no value."""
    attributes = place.entity.attributes
    if place.entity.every:
        attributes = tuple(Attribute(name) for name in place.table.columns)
    found = []
    for attribute in attributes:
        name = attribute.alias or f"{place.name}.{attribute.name}"
        found += _plain(source, place, attribute, preferences, name, optional=True)
    return found


def _plain(
    source: Source, place: Place, attribute: Attribute, preferences: Preferences, name: str | None, *, optional: bool
) -> list[Member]:
    column: Column = place.column(attribute.name).column
    if attribute.aggregate or attribute.groupby:
        raise faults.invalid("An aggregate or a groupby needs aggregate='true' on the fetch.")
    return reading.members(source.tables, place.table, [column], preferences, place.sql, name=name, optional=optional)


def _aggregated(source: Source, place: Place, attribute: Attribute, preferences: Preferences) -> list[Member]:
    if attribute.aggregate == "count" and attribute.name == "*" and attribute.alias is not None:
        return [aggregates.member("count", None, attribute.alias)]
    seen = place.column(attribute.name)
    if attribute.alias is None:
        raise faults.bad_alias(attribute.name)
    if attribute.groupby:
        if attribute.dategrouping is None and seen.column.kind is not Kind.DATETIME:
            return reading.members(
                source.tables, place.table, [seen.column], preferences, place.sql, name=attribute.alias, optional=True
            )
        return [Member(attribute.alias, _group(seen, attribute), None, optional=True)]
    if attribute.aggregate is None:
        raise faults.mixed_aggregate(attribute.name)
    method = "distinct" if attribute.aggregate == "countcolumn" and attribute.distinct else attribute.aggregate
    try:
        return [aggregates.member(method, seen, attribute.alias)]
    except Refusal as refusal:
        raise faults.bad_value(refusal.message) from None


def _group(seen: Seen, attribute: Attribute) -> str:
    if attribute.dategrouping is not None:
        if seen.column.kind is not Kind.DATETIME:
            raise faults.bad_value(f"A dategrouping needs a date; '{attribute.name}' is none.")
        return _PARTS[attribute.dategrouping].format(seen.raw)
    return seen.equal
