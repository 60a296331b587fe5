"""Change tracking: which rows of a table were created, changed or deleted since a link was given.

A tracked query knows neither `$filter` nor `$orderby`, so only ids are asked for: what the rows hold now is read as
every reader reads it. The link to go on with comes on the last page, so it costs a read of all ids to begin.

Source: Microsoft Learn, "Use change tracking to synchronize data with external systems" (2025).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from shared.dataverse.page import Page, read_page
from shared.dataverse.queries import address
from shared.dataverse.reading import parsed
from shared.dataverse.transport import Transport
from shared.errors import DestinationError
from shared.values.tables import Table

_TRACKED = {"Prefer": "odata.track-changes"}


@dataclass(frozen=True, slots=True)
class Changes:
    """What came about since a link: ids of rows that are there and of rows that are gone; `link` to go on with."""

    changed: frozenset[str]
    gone: frozenset[str]
    link: str

    @property
    def ids(self) -> frozenset[str]:
        """All of them."""
        return self.changed | self.gone


class ChangeTracking:
    """Tracked queries of one environment. Every method raises `DestinationError` where the service refuses.

    `told` is called before each page; what it raises ends the query.
    """

    def __init__(self, transport: Transport, told: Callable[[], None] = lambda: None) -> None:
        self._transport, self._told = transport, told

    def begin(self, table: Table, *, after: str | None = None, reached: Callable[[str], None] = lambda _: None) -> str:
        """A link to what changes from now on. Every page of the table's ids is read, and none is looked into.

        `reached` is given the link of each page that comes next; one of them, as `after`, goes on there.
        """
        path = after or address(table.entity_set, {"$select": table.id_column})
        links = []
        for page in self._pages(path):
            links.append(page.delta_link)
            if page.next_link is not None:
                reached(page.next_link)
        return _link(links)

    def since(self, table: Table, link: str) -> Changes:
        """What changed since the link was given.

        Raises:
            DestinationError: also when the link has expired (`0x80044352`).
        """
        changed, gone, links = set[str](), set[str](), list[str | None]()
        for page in self._pages(link):
            links.append(page.delta_link)
            for row in parsed(page.rows):
                row_id = row.get(table.id_column)
                (gone if row_id is None else changed).add(_id(row.get("id") if row_id is None else row_id))
        return Changes(frozenset(changed), frozenset(gone - changed), _link(links))

    def _pages(self, path: str) -> Iterator[Page]:
        seen: set[str] = set()
        link: str | None = path
        while link is not None:
            if link in seen:
                raise DestinationError("the service gave the same link of a tracked query twice; it would never end")
            seen.add(link)
            self._told()
            page = read_page(self._transport.get(link, headers=_TRACKED).body)
            yield page
            link = page.next_link


def _link(links: list[str | None]) -> str:
    last = links[-1] if links else None
    if last is None:
        raise DestinationError("the service answered a tracked query without a link to go on with")
    return last


def _id(value: object) -> str:
    try:
        return str(UUID(str(value)))
    except ValueError:
        raise DestinationError("the service told a change without the id of its row") from None
