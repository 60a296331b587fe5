"""Lookups in a body: binds by id, by alternate key, by absolute URL, resolved for a whole column of rows at once."""

from __future__ import annotations

import re
from collections.abc import Sequence

from local.dataverse import addresses, refusals
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.store import type_name
from local.dataverse.tables import Table
from local.dataverse.world import World
from local.dataverse.writes.plans import Link

Reference = tuple[str, str]
"""Table and id of the row that a lookup points at."""

_ROOT = re.compile(r"(?:https?://[^/?#]+)?/api/data/v9\.\d+/", re.IGNORECASE)
_SHORT = re.compile(r"/?(\w+)\(([0-9a-fA-F]{8}-[0-9a-fA-F-]{27})\)")


def stored(world: World, table: Table, link: Link, values: Sequence[object]) -> dict[str, list[object]]:
    """The stored columns of one lookup.

    Raises:
        RowRefusal: a bind that is malformed, names another table, or points at no row.
    """
    references = _resolved(world, table, link, values)
    columns: dict[str, list[object]] = {
        link.column.name: [None if v is None else references[v][1] for v in values]  # type: ignore[index]
    }
    if link.column.is_polymorphic:
        columns[type_name(link.column)] = [None if v is None else references[v][0] for v in values]  # type: ignore[index]
    return columns


def _resolved(world: World, table: Table, link: Link, values: Sequence[object]) -> dict[str, Reference]:
    found: dict[str, Reference] = {}
    unsure: dict[str, set[str]] = {}
    for index, value in enumerate(values):
        if value is None or (isinstance(value, str) and value in found):
            continue
        try:
            text = _bind(table, link, value)
            reference, certain = _reference(world, link, text)
        except Refusal as refusal:
            raise RowRefusal(index, refusal) from None
        found[text] = reference
        if not certain:
            unsure.setdefault(reference[0], set()).add(reference[1])
    absent: set[Reference] = set()
    for target, ids in unsure.items():
        here = addresses.present(world.store, world.tables.by_name[target], ids)
        absent |= {(target, row_id) for row_id in ids - here}
    if absent:
        index = next(i for i, value in enumerate(values) if value is not None and found[str(value)] in absent)
        raise RowRefusal(index, refusals.no_row(*found[str(values[index])]))
    return found


def _bind(table: Table, link: Link, value: object) -> str:
    if not link.bind and not isinstance(value, dict):
        raise refusals.payload(
            table.name, f"The value under '{link.column.name}' is no related row; use a bind to name one that is there."
        )
    if not link.bind:
        raise refusals.payload(
            table.name,
            f"A related row under '{link.column.name}' can be created with its row, not updated; use a bind.",
        )
    if not isinstance(value, str):
        raise refusals.bad_literal(table.name, value, "Edm.String")
    return value


def _reference(world: World, link: Link, text: str) -> tuple[Reference, bool]:
    """The reference, and whether the row is known to exist."""
    tables = world.tables
    short = _SHORT.fullmatch(text)
    if short and short[1] in tables.by_set:
        target = tables.by_set[short[1]]
        _allowed(link, target)
        return (target.name, short[2].lower()), False
    address = addresses.parse(tables, relative(text))
    _allowed(link, address.table)
    if address.row_id is not None:
        return (address.table.name, address.row_id), False
    row_id = addresses.find(world.store, address)
    if row_id is None:
        raise addresses.missing(address)
    return (address.table.name, row_id), True


def relative(url: str) -> str:
    """A bind or `@odata.id` without host, root and leading slash."""
    root = _ROOT.match(url)
    return url[root.end() :] if root else url.removeprefix("/")


def _allowed(link: Link, target: Table) -> None:
    if target.name not in {t.table for t in link.targets}:
        raise refusals.payload(
            target.name,
            f"A bind of '{link.column.name}' names a row of '{target.name}'; allowed: "
            + ", ".join(sorted(t.table for t in link.targets))
            + ".",
        )
