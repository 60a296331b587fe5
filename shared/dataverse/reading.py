"""Reads rows: page after page as bytes, or small sets as Python values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

from shared.dataverse.page import read_page
from shared.dataverse.queries import (
    URL_LIMIT,
    Key,
    address,
    both,
    column_of,
    key_filters,
    order,
    page_headers,
    select,
)
from shared.dataverse.transport import Transport
from shared.errors import DestinationError
from shared.values.tables import Table

PAGE_SIZE = 5000
COUNT_CAP = 5000
AGGREGATE_CAP = 50_000
_TOO_MANY_TO_AGGREGATE = "0x8004e023"
Row = dict[str, object]


@dataclass(slots=True)
class Trail:
    """How far pages were followed, from the link `start`, if any: the link after each page, None after the last."""

    start: str | None = None
    links: list[str | None] = field(default_factory=list)


class Reader:
    """Reads one environment's rows. Thread-safe."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def follow(
        self, path: str, headers: Mapping[str, str] | None = None, *, trail: Trail | None = None
    ) -> Iterator[memoryview]:
        """The JSON arrays of a collection's pages, first to last.

        Raises:
            DestinationError: a next link came twice, or leads to another origin.
        """
        seen: set[str] = set()
        trail = trail or Trail()
        link: str | None = trail.start or path
        while link is not None:
            seen.add(link)
            page = read_page(self._transport.get(link, headers=headers).body)
            trail.links.append(page.next_link)
            yield page.rows
            link = page.next_link
            if link in seen:
                raise DestinationError(
                    f"the service gave the same next link twice, at page {len(seen)}; the read would never end. "
                    "Start the job again, and tell Microsoft's support when it stays"
                )

    def all_rows(self, path: str, headers: Mapping[str, str] | None = None) -> list[Row]:
        """All rows of a collection, parsed; for small ones."""
        return [row for rows in self.follow(path, headers) for row in parsed(rows)]

    def pages(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        filter: str | None = None,  # noqa: A002 - the option's name in OData
        order_by: Sequence[str] = (),
        page_size: int = PAGE_SIZE,
        lookup_types: bool = False,
        extra: Sequence[str] = (),
        trail: Trail | None = None,
    ) -> Iterator[memoryview]:
        """The JSON array of each page, exactly as sent; `columns` and `order_by` are logical names.

        Ordered by `order_by` and last by the id, so that the pages are stable. `lookup_types` adds the annotation
        that names a polymorphic lookup's table. `extra` are further property names for `$select`. `trail` notes, or
        says, how far they were followed.
        """
        headers = page_headers(min(page_size, PAGE_SIZE), lookup_types=lookup_types)
        path = self.first_page(table, columns, filter=filter, order_by=order_by, extra=extra)
        return self.follow(path, headers, trail=trail)

    def first_page(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        filter: str | None = None,  # noqa: A002 - the option's name in OData
        order_by: Sequence[str] = (),
        extra: Sequence[str] = (),
    ) -> str:
        """The path of the first of those pages; a `Trail` may start with it."""
        options = {
            "$select": select(table, columns, extra),
            "$filter": filter,
            "$orderby": order(table, order_by),
        }
        return address(table.entity_set, options)

    def newest(self, table: Table, column: str, filter: str | None = None) -> datetime | None:  # noqa: A002 - as above
        """The latest moment that a column holds; None when it holds none, or the service does not tell.

        Raises:
            UnavailableError: there was no answer.
        """
        name = column_of(table, column).read_name
        options = {"$select": name, "$filter": filter, "$orderby": f"{name} desc", "$top": "1"}
        try:
            rows = parsed(read_page(self._transport.get(address(table.entity_set, options)).body).rows)
            moment = datetime.fromisoformat(str(rows[0][name])) if rows else None
        except (DestinationError, KeyError, ValueError):
            return None
        return moment.replace(tzinfo=moment.tzinfo or UTC) if moment else None

    def rows(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        filter: str | None = None,  # noqa: A002 - the option's name in OData
        order_by: Sequence[str] = (),
        lookup_types: bool = False,
        extra: Sequence[str] = (),
    ) -> list[Row]:
        """All rows, parsed; for small reads."""
        pages = self.pages(table, columns, filter=filter, order_by=order_by, lookup_types=lookup_types, extra=extra)
        return [row for page in pages for row in parsed(page)]

    def rows_by_id(
        self, table: Table, ids: Iterable[str], columns: Sequence[str], *, lookup_types: bool = False
    ) -> dict[str, Row]:
        """The rows that exist among the ids, by id in lower case; each with its `@odata.etag`."""
        keys = ((row_id,) for row_id in ids)
        found = self.rows_by_key(table, [table.id_column], keys, columns, lookup_types=lookup_types)
        return {str(row[table.id_column]).lower(): row for rows in found for row in rows}

    def rows_by_key(
        self,
        table: Table,
        key_columns: Sequence[str],
        keys: Iterable[Key],
        columns: Sequence[str],
        *,
        filter: str | None = None,  # noqa: A002 - the option's name in OData
        lookup_types: bool = False,
    ) -> Iterator[list[Row]]:
        """The rows whose key columns equal one of the keys (a tuple each, in the order of `key_columns`).

        One list per request, each request within the length that the service takes. The service compares text by its
        collation, and may return rows that match only by it.
        """
        compared = [column_of(table, name) for name in key_columns]
        room = URL_LIMIT - self._fixed_length(table, columns, filter)
        for condition in key_filters(compared, keys, room=room):
            yield self.rows(table, columns, filter=both(filter, condition), lookup_types=lookup_types)

    def count_by_key(self, table: Table, column: str, keys: Iterable[object]) -> int:
        """How many rows hold one of the keys in a column: of each request's keys 5,000 at the most."""
        room = URL_LIMIT - self._fixed_length(table, [], None)
        conditions = key_filters([column_of(table, column)], ((key,) for key in keys), room=room)
        return sum(self._counted(table, condition) or 0 for condition in conditions)

    def total(self, table: Table, filter: str | None = None) -> int | None:  # noqa: A002 - the option's name in OData
        """About how many rows there are, for progress; None when it is not cheap to know.

        Without a filter it is the service's own count, up to a day old; with one, a count that ends at 5,000.
        """
        if filter is None:
            return self._whole_table(table)
        count = self._counted(table, filter)
        return count if count is not None and count < COUNT_CAP else None

    def at_least(self, table: Table, filter: str | None = None) -> int:  # noqa: A002 - the option's name in OData
        """How many rows there are at the least: counted now up to 50,000, of a whole table as the service says."""
        counted = self._counted(table, filter) or 0
        if filter is None:
            return max(counted, self._whole_table(table) or 0)
        return counted if counted < COUNT_CAP else max(counted, self._aggregated(table, filter))

    def _aggregated(self, table: Table, condition: str) -> int:
        """The rows that a filter keeps, counted by aggregation: up to 50,000; 0 when the service does not tell.

        Source: Microsoft Learn, "Aggregate data using OData" (2025).
        """
        apply = f"filter({condition})/aggregate($count as rows)"
        try:
            reply = self._transport.get(address(table.entity_set, {"$apply": apply})).json()
        except DestinationError as error:
            return AGGREGATE_CAP if error.code == _TOO_MANY_TO_AGGREGATE else 0
        rows = reply.get("value")
        count = rows[0].get("rows") if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
        return count if isinstance(count, int) else 0

    def _counted(self, table: Table, condition: str | None) -> int | None:
        """The rows there are now, 5,000 at the most; None when the answer is no number."""
        text = self._transport.get(address(f"{table.entity_set}/$count", {"$filter": condition})).body
        digits = text.decode("utf-8-sig", "replace").strip()
        return min(int(digits), COUNT_CAP) if digits.isascii() and digits.isdigit() else None

    def _whole_table(self, table: Table) -> int | None:
        try:
            reply = self._transport.get(f"RetrieveTotalRecordCount(EntityNames=['{table.name}'])").json()
        except DestinationError:
            return None
        counts = reply.get("EntityRecordCountCollection")
        values = counts.get("Values") if isinstance(counts, dict) else None
        return values[0] if isinstance(values, list) and values and isinstance(values[0], int) else None

    def _fixed_length(self, table: Table, columns: Sequence[str], condition: str | None) -> int:
        """What an address is long without its list of keys."""
        options = {"$select": select(table, columns), "$filter": both(condition, "x"), "$orderby": order(table, [])}
        return len(self._transport.service.resolve(address(table.entity_set, options)))


def parsed(rows: bytes | memoryview) -> list[Row]:
    """A page's array as Python values.

    Raises:
        DestinationError: it is no array of objects.
    """
    try:
        values = orjson.loads(rows)
    except orjson.JSONDecodeError:
        raise DestinationError("the service sent a page of rows that is not JSON") from None
    if not all(isinstance(value, dict) for value in values):
        raise DestinationError("the service sent a page whose rows are not objects")
    return list(values)
