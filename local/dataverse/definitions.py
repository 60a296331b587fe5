"""Reads the table-definition file. Its form is described at the head of `tables.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from local.dataverse import systemcolumns
from local.dataverse.tables import Column, Key, Kind, ManyToMany, Option, Side, Table, Tables, Target

BUILT_IN = Path(__file__).with_name("tables.yaml")
_TABLE_WORDS = frozenset(
    [
        "schema",
        "set",
        "label",
        "id",
        "id_schema",
        "name",
        "ownership",
        "type_code",
        "custom",
        "bulk",
        "elastic",
        "optimistic",
        "change_tracking",
        "status",
        "columns",
        "keys",
        "rows",
    ]
)
_COLUMN_WORDS = frozenset(
    [
        "schema",
        "type",
        "label",
        "required",
        "max",
        "min",
        "precision",
        "precision_source",
        "behaviour",
        "date_only",
        "options",
        "default",
        "targets",
        "create",
        "update",
    ]
)
_EXTRA_TYPES = {
    "date": ("DateOnly", True),
    "date_user_local": ("UserLocal", True),
    "datetime": ("UserLocal", False),
    "datetime_independent": ("TimeZoneIndependent", False),
}
_SYSTEM = ("systemuser", "team", "transactioncurrency", "organization", "asyncoperation")
"""Tables that every environment has; a table-definition file may leave them out."""
_INT64 = Decimal(2**63 - 1)


class TableFileError(Exception):
    """The table-definition file cannot be used; the message names the table and the column."""


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
    try:
        document = YAML(typ="safe", pure=True).load(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as cause:
        raise TableFileError(f"{source}: cannot be read as YAML: {cause}") from cause
    if not isinstance(document, dict) or not isinstance(document.get("tables"), dict):
        raise TableFileError(f"{source}: needs a member 'tables' with one member per table")
    listed: dict[str, dict[str, Any]] = document["tables"]
    tables = [] if source == BUILT_IN else [_built_in().by_name[name] for name in _SYSTEM if name not in listed]
    tables += [_table(name, body) for name, body in listed.items()]
    _check_targets(tables)
    pairs = [_pair(name, body, tables) for name, body in (document.get("many_to_many") or {}).items()]
    return Tables.of(tables, pairs)


def _table(name: str, body: dict[str, Any]) -> Table:
    _only(body, _TABLE_WORDS, f"table {name}")
    custom = bool(body.get("custom", "_" in name))
    id_column = str(body.get("id", f"{name}id"))
    ownership = {"user": "UserOwned", "organization": "OrganizationOwned", "none": "None", "business": "BusinessOwned"}
    owned = _one_of(ownership, body.get("ownership", "user"), f"table {name}: ownership")
    columns = [_id_column(body, id_column, custom)]
    columns += [_column(name, c, spec, body) for c, spec in (body.get("columns") or {}).items()]
    columns += systemcolumns.of(name, {c.name for c in columns}, columns, owned=owned, status=body.get("status"))
    elastic = bool(body.get("elastic", False))
    columns += systemcolumns.elastic({c.name for c in columns}) if elastic else []
    by_name = {c.name: c for c in columns}
    table_name = str(body.get("name", ""))
    if table_name not in by_name:
        raise TableFileError(f"table {name}: its name column {table_name!r} is not among its columns")
    return Table(
        name=name,
        schema_name=str(body.get("schema", name.capitalize())),
        entity_set=str(body.get("set", name + "s")),
        label=str(body.get("label", name.capitalize())),
        id_column=id_column,
        name_column=table_name,
        type_code=int(body.get("type_code", 10000)),
        ownership=owned,
        columns=by_name,
        keys=tuple(_key(name, k, spec, by_name) for k, spec in (body.get("keys") or {}).items())
        + ((systemcolumns.partition_key(id_column),) if elastic else ()),
        bulk=bool(body.get("bulk", True)),
        optimistic=bool(body.get("optimistic", True)),
        change_tracking=bool(body.get("change_tracking", True)),
        custom=custom,
        elastic=elastic,
        seeds=tuple(body.get("rows") or ()),
        readable={c.read_name: c for c in columns},
        navigations=_navigations(columns),
    )


def _navigations(columns: list[Column]) -> dict[str, tuple[Column, tuple[Target, ...]]]:
    found: dict[str, tuple[Column, tuple[Target, ...]]] = {}
    for column in columns:
        for target in column.targets:
            found[target.navigation] = (column, (*found.get(target.navigation, (column, ()))[1], target))
    return found


def _id_column(body: Mapping[str, Any], name: str, custom: bool) -> Column:
    schema = str(body.get("id_schema", name if custom else name.capitalize()))
    return Column(
        name,
        schema,
        Kind.UNIQUEIDENTIFIER,
        str(body.get("label", name)),
        required="SystemRequired",
        primary_id=True,
        updatable=False,
        custom=custom,
    )


def _column(table: str, name: str, spec: dict[str, Any], body: Mapping[str, Any]) -> Column:
    where = f"table {table}, column {name}"
    _only(spec, _COLUMN_WORDS, where)
    kind, behaviour, date_only = _kind(spec, where)
    low, high, precision = _bounds(kind, spec, where)
    required = {
        "system": "SystemRequired",
        "application": "ApplicationRequired",
        "recommended": "Recommended",
        "none": "None",
    }
    return Column(
        name=name,
        schema_name=str(spec.get("schema", name)),
        kind=kind,
        label=str(spec.get("label", spec.get("schema", name))),
        required=_one_of(required, spec.get("required", "none"), f"{where}: required"),
        creatable=bool(spec.get("create", True)),
        updatable=bool(spec.get("update", True)),
        max_length=_length(kind, spec),
        low=low,
        high=high,
        precision=precision,
        precision_source=int(spec.get("precision_source", 2)) if kind is Kind.MONEY else None,
        behaviour=behaviour,
        date_only_format=date_only,
        options=_options(kind, spec),
        default=spec.get("default", False if kind is Kind.BOOLEAN else None),
        targets=_targets(table, name, kind, spec),
        primary_name=name == body.get("name"),
        custom="_" in name.rstrip("_") and name.startswith("new_"),
    )


def _kind(spec: Mapping[str, Any], where: str) -> tuple[Kind, str | None, bool]:
    word = str(spec.get("type", "text"))
    if word in _EXTRA_TYPES:
        behaviour, date_only = _EXTRA_TYPES[word]
        return Kind.DATETIME, behaviour, date_only
    try:
        return Kind(word), None, False
    except ValueError:
        allowed = ", ".join([*Kind, *_EXTRA_TYPES])
        raise TableFileError(f"{where}: type {word!r} is none of {allowed}") from None


def _bounds(kind: Kind, spec: Mapping[str, Any], where: str) -> tuple[Decimal | None, Decimal | None, int | None]:
    defaults: dict[Kind, tuple[str, str, int | None]] = {
        Kind.INTEGER: ("-2147483648", "2147483647", None),
        Kind.BIGINT: ("-9223372036854775808", "9223372036854775807", None),
        Kind.DECIMAL: ("-100000000000", "100000000000", 2),
        Kind.DOUBLE: ("-100000000000", "100000000000", 2),
        Kind.MONEY: ("-922337203685477", "922337203685477", 2),
    }
    if kind not in defaults:
        return None, None, None
    low, high, digits = defaults[kind]
    precision = spec.get("precision", digits)
    least, most = Decimal(str(spec.get("min", low))), Decimal(str(spec.get("max", high)))
    scale = 4 if kind is Kind.MONEY else precision
    if kind in (Kind.DECIMAL, Kind.MONEY) and max(abs(least), abs(most)).scaleb(scale) > _INT64:
        raise TableFileError(f"{where}: min, max and precision need more than 18 digits; state narrower ones")
    return least, most, None if precision is None else int(precision)


def _length(kind: Kind, spec: Mapping[str, Any]) -> int | None:
    default = {Kind.TEXT: 100, Kind.MEMO: 2000}.get(kind)
    return int(spec.get("max", default)) if default else None


def _options(kind: Kind, spec: Mapping[str, Any]) -> tuple[Option, ...]:
    listed = spec.get("options")
    if listed is None:
        return (Option(0, "No"), Option(1, "Yes")) if kind is Kind.BOOLEAN else ()
    return tuple(Option(int(value), str(label)) for value, label in listed.items())


def _targets(table: str, name: str, kind: Kind, spec: Mapping[str, Any]) -> tuple[Target, ...]:
    if kind is Kind.OWNER:
        return tuple(Target(t, "ownerid", f"{t}_{table}") for t in ("systemuser", "team"))
    if kind not in (Kind.LOOKUP, Kind.CUSTOMER):
        return ()
    listed = spec.get("targets", {"account": {}, "contact": {}} if kind is Kind.CUSTOMER else {})
    several = len(listed) > 1
    schema = str(spec.get("schema", name)) if "_" in name else name
    targets = []
    for target, given in listed.items():
        settings = given or {}
        navigation = settings.get("navigation", f"{schema}_{target}" if several else schema)
        relationship = settings.get("relationship", f"{table}_{name}_{target}")
        delete = settings.get("delete")
        targets.append(
            Target(
                target, str(navigation), str(relationship), restrict=delete == "restrict", cascade=delete == "cascade"
            )
        )
    return tuple(targets)


def _pair(name: str, body: dict[str, Any], tables: list[Table]) -> ManyToMany:
    _only(body, frozenset(("first", "second", "intersect")), f"relationship {name}")
    first, second = (_side(name, word, body, tables) for word in ("first", "second"))
    if first.table == second.table:
        second = replace(second, column=f"{second.column}two")
    return ManyToMany(name, str(body.get("intersect", name.lower())), first, second)


def _side(name: str, word: str, body: dict[str, Any], tables: list[Table]) -> Side:
    found = next((table for table in tables if table.name == body.get(word)), None)
    if found is None:
        raise TableFileError(f"relationship {name}: {word} {body.get(word)!r} is no table")
    return Side(found.name, found.id_column, name)


def _key(table: str, name: str, spec: Mapping[str, Any], columns: Mapping[str, Column]) -> Key:
    named = tuple(spec.get("columns") or ())
    if not named or any(c not in columns for c in named):
        raise TableFileError(f"table {table}, key {name}: its columns {list(named)} are not all columns of the table")
    states = {s.lower(): s for s in ("Pending", "InProgress", "Active", "Failed")}
    state = _one_of(states, str(spec.get("state", "active")).lower(), f"table {table}, key {name}: state")
    return Key(name.lower(), str(spec.get("schema", name)), str(spec.get("label", name)), named, state)


def _check_targets(tables: list[Table]) -> None:
    names = {t.name for t in tables}
    for table in tables:
        for column in table.columns.values():
            for target in column.targets:
                if target.table not in names:
                    raise TableFileError(f"table {table.name}, column {column.name}: no table {target.table!r}")


def _only(body: object, words: frozenset[str], where: str) -> None:
    if not isinstance(body, dict):
        raise TableFileError(f"{where}: needs members, found {type(body).__name__}")
    unknown = sorted(set(body) - words)
    if unknown:
        raise TableFileError(f"{where}: unknown {', '.join(map(str, unknown))}; allowed: {', '.join(sorted(words))}")


def _one_of(allowed: Mapping[str, str], found: object, where: str) -> str:
    if str(found) not in allowed:
        raise TableFileError(f"{where}: {found!r} is none of {', '.join(allowed)}")
    return allowed[str(found)]
