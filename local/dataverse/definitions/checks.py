"""What the parts of a table-definition file have to do with each other: names that refer, names that stand twice."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from local.dataverse.definitions import bounds, columnchecks
from local.dataverse.definitions.columnchecks import Known
from local.dataverse.definitions.forms import KeyForm, TableFile, TableForm
from local.dataverse.definitions.mistakes import Mistake, Path, shown
from local.dataverse.tables import Kind, ManyToMany, Table


def mistakes(
    file: TableFile, tables: Mapping[str, Table], pairs: Collection[ManyToMany], wrong: Collection[Path]
) -> Iterator[Mistake]:
    """What is wrong across the parts; `tables` are those that the file gives, and the system's own."""
    known = Known(tables, file.option_sets, wrong)
    for name, form in file.tables.items():
        yield from _table(form, tables[name], ("tables", name), known)
        for column, given in form.columns.items():
            yield from columnchecks.mistakes(column, given, ("tables", name, "columns", column), known)
    yield from _sets(file, tables)
    yield from _many_to_many(file, tables)
    yield from _relationships(tables, pairs, file)


def _table(form: TableForm, table: Table, path: Path, known: Known) -> Iterator[Mistake]:
    if table.schema_name.lower() != table.name:
        yield Mistake((*path, "schema"), shown(table.schema_name), f"{table.name}, in upper and lower case as you like")
    if form.id_schema is not None and form.id_schema.lower() != table.id_column:
        allowed = f"{table.id_column}, in upper and lower case as you like"
        yield Mistake((*path, "id_schema"), shown(form.id_schema), allowed)
    if table.id_column in form.columns:
        yield Mistake((*path, "columns", table.id_column), "the primary id", "other columns; that one comes by itself")
    if form.type_code < 1:
        yield Mistake((*path, "type_code"), shown(form.type_code), "a whole number from 1 on")
    if (*path, "name") not in known.wrong and (*path, "columns") not in known.wrong:
        yield from _name(form, table, path, known)
    yield from _states(form, path)
    if table.elastic and form.keys:
        yield Mistake(
            (*path, "keys"), shown(dict(form.keys)), "none; an elastic table has the one key that it can have"
        )
    if len(form.keys) > bounds.MOST_KEYS:
        yield Mistake((*path, "keys"), f"{len(form.keys)} keys", f"at most {bounds.MOST_KEYS}")
    for name, key in form.keys.items():
        yield from _key(key, table, (*path, "keys", name), known)


def _name(form: TableForm, table: Table, path: Path, known: Known) -> Iterator[Mistake]:
    if (*path, "columns", str(form.name), "type") in known.wrong:
        return
    column = table.columns.get(form.name or "")
    if column is None or column.kind is not Kind.TEXT:
        texts = [name for name in form.columns if table.columns[name].kind is Kind.TEXT]
        found = shown(form.name) if column is None else f"{form.name!r}, of type {column.kind}"
        allowed = (
            f"a text column of the table: {', '.join(texts)}" if texts else "a text column; the table has none yet"
        )
        yield Mistake((*path, "name"), found, allowed)


def _states(form: TableForm, path: Path) -> Iterator[Mistake]:
    seen: set[int] = set()
    for state, reasons in (form.status or {}).items():
        if not reasons:
            yield Mistake((*path, "status", state), "no reasons", "at least one, such as {1: Active}")
        for twice in sorted(seen & set(reasons)):
            yield Mistake((*path, "status", state, twice), "a number that another state has", "each number once")
        seen |= set(reasons)


def _key(key: KeyForm, table: Table, path: Path, known: Known) -> Iterator[Mistake]:
    where = (*path, "columns")
    if path in known.wrong or any(wrong[: len(where)] == where for wrong in known.wrong):
        return
    if not 1 <= len(key.columns) <= bounds.MOST_KEY_COLUMNS or len(set(key.columns)) < len(key.columns):
        found = ", ".join(key.columns) or "none"
        yield Mistake(where, found, f"1 to {bounds.MOST_KEY_COLUMNS} different columns")
    sound = True
    for name in key.columns:
        column = table.columns.get(name)
        if column is None or column.kind not in bounds.KEY_BYTES:
            sound = False
            kinds = ", ".join(sorted(bounds.KEY_BYTES))
            found = f"{name}, of type {column.kind}" if column else f"{name}, which the table has not"
            yield Mistake(where, found, f"columns of the table of these types: {kinds}")
    size = sum(bounds.key_bytes(table.columns[name]) for name in key.columns) if sound else 0
    if size > bounds.MOST_KEY_BYTES:
        yield Mistake(where, f"{size:,} bytes", f"at most {bounds.MOST_KEY_BYTES}; a text has two for each character")


def _sets(file: TableFile, tables: Mapping[str, Table]) -> Iterator[Mistake]:
    owners: dict[str, str] = {}
    for name, table in tables.items():
        other = owners.setdefault(table.entity_set, name)
        if other != name:
            own = name if name in file.tables else other
            found = f"{table.entity_set!r}, as of table {other if own == name else name}"
            yield Mistake(("tables", own, "set"), found, "a name of its own for each table's set of rows")


def _many_to_many(file: TableFile, tables: Mapping[str, Table]) -> Iterator[Mistake]:
    taken = {name: f"the table {name}" for name in tables}
    for name, form in file.many_to_many.items():
        path: Path = ("many_to_many", name)
        for word, table in (("first", form.first), ("second", form.second)):
            if table not in tables:
                yield Mistake((*path, word), shown(table), f"a table: {', '.join(sorted(tables))}")
        intersect = form.intersect or name.lower()
        if intersect in taken:
            allowed = f"a name of its own; {taken[intersect]} has this one"
            yield Mistake((*path, "intersect"), shown(intersect), allowed)
        taken.setdefault(intersect, f"the relationship {name}")


def _relationships(tables: Mapping[str, Table], pairs: Collection[ManyToMany], file: TableFile) -> Iterator[Mistake]:
    """Relationships by one name, and navigation properties of one table by one name."""
    owners = {pair.schema_name: "a relationship of many to many" for pair in pairs}
    for table in tables.values():
        navigations: dict[str, str] = {}
        for column in table.columns.values():
            path: Path = ("tables", table.name, "columns", column.name, "targets")
            listed = table.name in file.tables and column.name in file.tables[table.name].columns
            for target in column.targets if listed else ():
                here = f"column {column.name} of {table.name}"
                other = owners.setdefault(target.relationship, here)
                if other != here or sum(t.relationship == target.relationship for t in column.targets) > 1:
                    found = f"relationship {target.relationship!r}, as of {other}"
                    yield Mistake((*path, target.table), found, "a name of its own")
                other = navigations.setdefault(target.navigation, f"{column.name}, {target.table}")
                if other != f"{column.name}, {target.table}":
                    found = f"navigation {target.navigation!r}, as of {other}"
                    yield Mistake((*path, target.table), found, "a name of its own within the table")
