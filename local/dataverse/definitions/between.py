"""What the table-definition file says beside its tables: global option sets, many-to-many relationships."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local.dataverse.definitions.mistakes import TableFileError, only
from local.dataverse.tables import ManyToMany, Option, OptionSet, Side, Table

_SET_WORDS = frozenset(("label", "options"))
_MANY_WORDS = frozenset(("first", "second", "intersect"))


def option_sets(listed: Mapping[str, Any]) -> dict[str, OptionSet]:
    """The global option sets, by name.

    Raises:
        TableFileError: one is not as described.
    """
    found = {}
    for name, body in listed.items():
        only(body, _SET_WORDS, f"option set {name}")
        options = tuple(Option(int(value), str(label)) for value, label in (body.get("options") or {}).items())
        found[str(name)] = OptionSet(str(name), str(body.get("label", name)), options, custom="_" in str(name))
    return found


def many_to_many(listed: Mapping[str, Any], tables: Sequence[Table]) -> list[ManyToMany]:
    """The relationships of many to many.

    Raises:
        TableFileError: one is not as described.
    """
    by_name = {table.name: table for table in tables}
    return [_relationship(str(name), body, by_name) for name, body in listed.items()]


def _relationship(name: str, body: dict[str, Any], tables: Mapping[str, Table]) -> ManyToMany:
    only(body, _MANY_WORDS, f"relationship {name}")
    for word in ("first", "second"):
        if body.get(word) not in tables:
            raise TableFileError(f"relationship {name}: {word} {body.get(word)!r} is no table")
    sides = (tables[body["first"]], tables[body["second"]])
    return between(name, str(body.get("intersect", name)).lower(), sides, custom="new_" in name)


def between(
    name: str, intersect: str, sides: tuple[Table, Table], navigations: tuple[str, str] = ("", ""), *, custom: bool
) -> ManyToMany:
    """A relationship of many to many; where both sides are one table, their columns and properties differ."""
    first, second = sides
    same = first.name == second.name
    columns = (f"{first.id_column}one", f"{second.id_column}two") if same else (first.id_column, second.id_column)
    return ManyToMany(
        name,
        intersect,
        Side(first.name, columns[0], navigations[0] or name),
        Side(second.name, columns[1], navigations[1] or (f"{name}_referenced" if same else name)),
        custom,
    )
