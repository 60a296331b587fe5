"""Definitions that were changed through the API, kept in the database, so that they are there after a restart.

Each piece (a table's own members, a column, a key, a relationship, an option set) is a row of its own, without a body
when it was deleted. At the start the pieces are laid over the table-definition file: what was changed through the API
stays so, and what the file says of the rest holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from decimal import Decimal
from typing import Any, Protocol
from zlib import crc32

import orjson

from local.dataverse.tables import Column, Key, ManyToMany, OptionSet, Table, Tables

_Place = tuple[str, str, str]
"""Part, table (or nothing), name."""
_TYPES: dict[str, type] = {"table": Table, "column": Column, "key": Key, "pair": ManyToMany, "option_set": OptionSet}
_FOLLOWS = frozenset(("columns", "keys", "readable", "navigations", "seeds"))
"""Members of a table that are pieces themselves, follow from others, or stay in the file."""


class Database(Protocol):
    """What is needed of the database."""

    def all(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Every row of a query."""

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Runs one statement."""


def prepare(database: Database) -> None:
    """Makes room for the pieces."""
    database.run(
        'CREATE TABLE IF NOT EXISTS "~metadata" (part TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL, '
        "body TEXT, PRIMARY KEY (part, owner, name))"
    )


def keep(database: Database, before: Tables, after: Tables) -> None:
    """Keeps what differs between two states of the definitions."""
    same = {name for name, table in after.by_name.items() if before.by_name.get(name) is table}
    old, new = _pieces(before, same), _pieces(after, same)
    for place in [*new, *(place for place in old if place not in new)]:
        if old.get(place) != new.get(place):
            body = orjson.dumps(new[place], default=_plain).decode() if place in new else None
            database.run(
                'INSERT INTO "~metadata" VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body',
                (*place, body),
            )


def mark(tables: Tables) -> str:
    """A number for a state of the definitions, as text: another one after every change."""
    pieces = sorted(_pieces(tables, set()).items())
    return str(crc32(orjson.dumps(pieces, default=_plain)))


def overlaid(database: Database, tables: Tables) -> Tables:
    """The definitions of the file under those that are kept.

    Raises:
        ValueError: what is kept cannot be read, or does not fit the file.
    """
    pieces = _read(database)
    if not pieces:
        return tables
    found = dict(tables.by_name)
    for (_, _, name), head in _of(pieces, "table"):
        _put(found, name, None if head is None else _with_head(tables.by_name.get(name), head))
    for (_, owner, name), column in _of(pieces, "column"):
        if owner in found:
            columns = dict(found[owner].columns)
            _put(columns, name, column)
            found[owner] = found[owner].changed(columns=columns)
    for (_, owner, name), key in _of(pieces, "key"):
        if owner in found:
            keys = {k.name: k for k in found[owner].keys}
            _put(keys, name, key)
            found[owner] = found[owner].changed(keys=tuple(keys.values()))
    pairs, option_sets = {pair.schema_name: pair for pair in tables.pairs}, dict(tables.option_sets)
    for (_, _, name), pair in _of(pieces, "pair"):
        _put(pairs, name, pair)
    for (_, _, name), option_set in _of(pieces, "option_set"):
        _put(option_sets, name, option_set)
    _check(found, pairs)
    return Tables.of(found.values(), pairs.values(), option_sets.values())


def unfinished_keys(database: Database) -> list[tuple[str, str]]:
    """Tables and names of the keys whose index was asked for through the API and is not made yet."""
    keys = _of(_read(database), "key")
    return [
        (owner, name) for (_, owner, name), key in keys if key is not None and key.state in ("Pending", "InProgress")
    ]


def _pieces(tables: Tables, without: set[str]) -> dict[_Place, dict[str, Any]]:
    found: dict[_Place, dict[str, Any]] = {}
    for table in (table for name, table in tables.by_name.items() if name not in without):
        found["table", "", table.name] = {
            field.name: getattr(table, field.name) for field in fields(table) if field.name not in _FOLLOWS
        }
        found |= {("column", table.name, column.name): asdict(column) for column in table.columns.values()}
        found |= {("key", table.name, key.name): asdict(key) for key in table.keys}
    found |= {("pair", "", pair.schema_name): asdict(pair) for pair in tables.pairs}
    return found | {("option_set", "", name): asdict(found_set) for name, found_set in tables.option_sets.items()}


def _read(database: Database) -> dict[_Place, Any]:
    listed = database.all('SELECT part, owner, name, body FROM "~metadata" ORDER BY rowid')
    return {
        (str(part), str(owner), str(name)): None if body is None else _piece(str(part), str(body))
        for part, owner, name, body in listed
    }


def _piece(part: str, body: str) -> Any:
    from pydantic import TypeAdapter  # only a database with changed definitions pays for its import

    if part not in _TYPES:
        raise ValueError(f"it keeps a definition of an unknown part {part!r}")
    text = body.replace("{", '{"columns":{},', 1) if part == "table" else body
    return TypeAdapter(_TYPES[part]).validate_json(text)


def _of(pieces: Mapping[_Place, Any], part: str) -> list[tuple[_Place, Any]]:
    return [(place, value) for place, value in pieces.items() if place[0] == part]


def _put[Value](found: dict[str, Value], name: str, value: Value | None) -> None:
    if value is None:
        found.pop(name, None)
    else:
        found[name] = value


def _with_head(present: Table | None, head: Table) -> Table:
    if present is None:
        return head
    return replace(head, columns=present.columns, keys=present.keys, seeds=present.seeds).changed()


def _check(tables: Mapping[str, Table], pairs: Mapping[str, ManyToMany]) -> None:
    wanted = {target.table for table in tables.values() for c in table.columns.values() for target in c.targets}
    wanted |= {side.table for pair in pairs.values() for side in (pair.first, pair.second)}
    missing = sorted(wanted - tables.keys())
    if missing:
        raise ValueError(f"relationships lead to tables that were deleted: {', '.join(missing)}")


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError
