"""Reads the table-definition file. Its form is described at the head of `tables.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from local.dataverse import systemcolumns
from local.dataverse.definitions import between
from local.dataverse.definitions.columns import Place, column
from local.dataverse.definitions.mistakes import TableFileError, one_of, only
from local.dataverse.tables import Column, Key, Kind, OptionSet, Table, Tables

__all__ = ["BUILT_IN", "TableFileError", "read"]

BUILT_IN = Path(__file__).parent.with_name("tables.yaml")
_BEHAVIOUR = frozenset(("limits", "faults", "actions", "workflows", "webhooks", "applications"))
"""Members of a table-definition file that `settings` reads."""
_FILE_WORDS = _BEHAVIOUR | {"tables", "option_sets", "many_to_many"}
_TABLE_WORDS = frozenset(
    [
        "schema",
        "set",
        "label",
        "labels",
        "description",
        "id",
        "id_schema",
        "name",
        "ownership",
        "type_code",
        "custom",
        "bulk",
        "optimistic",
        "change_tracking",
        "elastic",
        "status",
        "columns",
        "keys",
        "rows",
    ]
)
_KEY_WORDS = frozenset(("schema", "label", "columns", "state"))
_SYSTEM = ("systemuser", "team", "transactioncurrency", "organization", "asyncoperation")
"""Tables that every environment has; a table-definition file may leave them out."""
_OWNERSHIP = {"user": "UserOwned", "organization": "OrganizationOwned", "none": "None", "business": "BusinessOwned"}


def read(path: Path | None = None) -> Tables:
    """The tables of a table-definition file; the built-in ones without a path.

    Raises:
        TableFileError: it cannot be read, or a part of it is not as described.
    """
    return _built_in() if path is None else _read(path)


@cache
def _built_in() -> Tables:
    return _read(BUILT_IN)


def _read(source: Path) -> Tables:
    document = _document(source)
    listed: dict[str, dict[str, Any]] = document["tables"]
    option_sets = between.option_sets(document.get("option_sets") or {})
    built_in = _built_in() if source != BUILT_IN else Tables.of(())
    tables = [built_in.by_name[name] for name in _SYSTEM if name in built_in.by_name and name not in listed]
    tables += [_table(name, body, option_sets) for name, body in listed.items()]
    _check_targets(tables)
    pairs = [pair for pair in built_in.pairs if {pair.first.table, pair.second.table} <= set(_SYSTEM)]
    pairs += between.many_to_many(document.get("many_to_many") or {}, tables)
    return Tables.of(tables, pairs, option_sets.values())


def _document(source: Path) -> dict[str, Any]:
    try:
        document = YAML(typ="safe", pure=True).load(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as cause:
        raise TableFileError(f"{source}: cannot be read as YAML: {cause}") from cause
    if not isinstance(document, dict) or not isinstance(document.get("tables"), dict):
        raise TableFileError(f"{source}: needs a member 'tables' with one member per table")
    only(document, _FILE_WORDS, str(source))
    return document


def _table(name: str, body: dict[str, Any], option_sets: Mapping[str, OptionSet]) -> Table:
    only(body, _TABLE_WORDS, f"table {name}")
    custom = bool(body.get("custom", "_" in name))
    owned = one_of(_OWNERSHIP, body.get("ownership", "user"), f"table {name}: ownership")
    columns = _columns(name, body, option_sets, custom=custom, owned=owned)
    by_name = {c.name: c for c in columns}
    id_column, elastic = columns[0].name, bool(body.get("elastic", False))
    keys = [_key(name, k, spec, by_name) for k, spec in (body.get("keys") or {}).items()]
    table_name = str(body.get("name", ""))
    if table_name not in by_name:
        raise TableFileError(f"table {name}: its name column {table_name!r} is not among its columns")
    label = str(body.get("label", name.capitalize()))
    table = Table(
        name=name,
        schema_name=str(body.get("schema", name.capitalize())),
        entity_set=str(body.get("set", name + "s")),
        label=label,
        id_column=id_column,
        name_column=table_name,
        type_code=int(body.get("type_code", 10000)),
        ownership=owned,
        columns={},
        keys=(*keys, systemcolumns.partition_key(id_column)) if elastic else tuple(keys),
        bulk=bool(body.get("bulk", True)),
        optimistic=bool(body.get("optimistic", True)),
        change_tracking=bool(body.get("change_tracking", True)),
        custom=custom,
        seeds=tuple(body.get("rows") or ()),
        elastic=elastic,
        collection_label=str(body.get("labels", f"{label}s")),
        description=str(body.get("description", "")),
    )
    return table.changed(columns=by_name)


def _columns(
    name: str, body: Mapping[str, Any], option_sets: Mapping[str, OptionSet], *, custom: bool, owned: str
) -> list[Column]:
    columns = [_id_column(name, body, custom=custom)]
    for column_name, spec in (body.get("columns") or {}).items():
        columns.append(column(Place(name, column_name, column_name == body.get("name"), option_sets), spec))
    columns += [companion for c in columns for companion in systemcolumns.companions(c)]
    columns += systemcolumns.of(name, {c.name for c in columns}, columns, owned=owned, status=body.get("status"))
    return columns + (systemcolumns.elastic({c.name for c in columns}) if body.get("elastic") else [])


def _id_column(table: str, body: Mapping[str, Any], *, custom: bool) -> Column:
    name = str(body.get("id", f"{table}id"))
    schema = f"{body.get('schema', table.capitalize())}Id"
    return Column(
        name,
        str(body.get("id_schema", schema if schema.lower() == name else name)),
        Kind.UNIQUEIDENTIFIER,
        str(body.get("label", name)),
        required="SystemRequired",
        primary_id=True,
        updatable=False,
        custom=custom,
    )


def _key(table: str, name: str, spec: Mapping[str, Any], columns: Mapping[str, Column]) -> Key:
    only(spec, _KEY_WORDS, f"table {table}, key {name}")
    named = tuple(spec.get("columns") or ())
    if not named or any(c not in columns for c in named):
        raise TableFileError(f"table {table}, key {name}: its columns {list(named)} are not all columns of the table")
    states = {s.lower(): s for s in ("Pending", "InProgress", "Active", "Failed")}
    state = one_of(states, str(spec.get("state", "active")).lower(), f"table {table}, key {name}: state")
    return Key(name.lower(), str(spec.get("schema", name)), str(spec.get("label", name)), named, state)


def _check_targets(tables: list[Table]) -> None:
    names = {t.name for t in tables}
    for table in tables:
        for found in table.columns.values():
            for target in found.targets:
                if target.table not in names:
                    raise TableFileError(f"table {table.name}, column {found.name}: no table {target.table!r}")
