"""Reads the table-definition file. Its form is described at the head of `tables.yaml`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from local.dataverse.definitions import between, checks, shape
from local.dataverse.definitions.building import table
from local.dataverse.definitions.mistakes import Mistake, TableFileError, UnreadableError
from local.dataverse.definitions.sources import BUILT_IN, over, plain
from local.dataverse.tables import Tables

__all__ = ["BUILT_IN", "TableFileError", "UnreadableError", "read"]

_SYSTEM = (
    "systemuser",
    "team",
    "transactioncurrency",
    "organization",
    "asyncoperation",
    "savedquery",
    "userquery",
)
"""Tables that every environment has; a table-definition file may leave them out."""


def read(path: Path | None = None) -> Tables:
    """The tables of a table-definition file; the built-in ones without a path.

    Raises:
        TableFileError: it cannot be read, or parts of it are not as described; it names all of them.
    """
    return _built_in() if path is None else _read(path)


@cache
def _built_in() -> Tables:
    return _read(BUILT_IN)


def _read(source: Path) -> Tables:
    document = plain(source)
    if "tables" not in document and not document.get("built_in"):
        missing = Mistake(("tables",), "nothing", "one member per table; or built_in: true, for the built-in ones")
        raise TableFileError([f"{source}: {missing}"])
    if document.get("built_in"):
        document = over(plain(BUILT_IN), document)
    file, mistakes = shape.read(document)
    option_sets = between.option_sets(file.option_sets)
    built_in = _built_in() if source != BUILT_IN else Tables.of(())
    tables = {name: built_in.by_name[name] for name in _SYSTEM if name in built_in.by_name and name not in file.tables}
    tables |= {name: table(name, form, option_sets) for name, form in file.tables.items()}
    pairs = [
        pair
        for pair in built_in.pairs
        if {pair.first.table, pair.second.table} <= set(_SYSTEM) and pair.schema_name not in file.many_to_many
    ]
    pairs += between.many_to_many(file.many_to_many, tables)
    mistakes += checks.mistakes(file, tables, pairs, {mistake.path for mistake in mistakes})
    if mistakes:
        raise TableFileError(f"{source}: {mistake}" for mistake in mistakes)
    return Tables.of(tables.values(), pairs, option_sets.values())
