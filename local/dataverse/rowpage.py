"""The rows of a table for people, and one row with all its columns; lookups lead to the rows that they point at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from local.dataverse.odata import reading
from local.dataverse.odata.options import Preferences
from local.dataverse.odata.reading import FORMATTED, LOOKUP_TABLE
from local.dataverse.odata.scope import ROOT
from local.dataverse.tables import Column, Table
from local.dataverse.values import GUID
from shared.sql import identifier

if TYPE_CHECKING:
    from local.dataverse.application import Application

_PAGE = 50
_SHOWN = 300
_NONE = '<td class="none">–</td>'
_LAST = frozenset(
    [
        "createdon",
        "modifiedon",
        "createdby",
        "modifiedby",
        "overriddencreatedon",
        "importsequencenumber",
        "versionnumber",
        "exchangerate",
    ]
)


def rows(application: Application, table: Table, page: int) -> str:
    """A page of rows, a column each; the first leads to the row itself."""
    count, columns = counted(application, table), sorted(table.columns.values(), key=_rank(table))
    listed = _read(application, table, columns, "ORDER BY rowid LIMIT ? OFFSET ?", (_PAGE, (page - 1) * _PAGE))
    heads = "".join(f"<th>{escape(c.label)}<br><code>{escape(c.read_name)}</code></th>" for c in columns)
    body = "".join(f"<tr>{_cells(table, row, columns)}</tr>" for row in listed)
    inner = f'<div class="wide"><table><tr>{heads}</tr>{body}</table></div>' if listed else "<p>No rows here.</p>"
    title = f"{escape(table.label)}<small>{count:,} {'row' if count == 1 else 'rows'}</small>"
    return f"<section><h1>{title}</h1>{inner}{_links(table, page, count)}</section>"


def row(application: Application, table: Table, row_id: str) -> str:
    """One row, a line for each column."""
    columns = sorted(table.columns.values(), key=_rank(table))
    where = f"WHERE {identifier(table.id_column)} = ?"
    listed = _read(application, table, columns, where, (row_id.lower(),)) if GUID.fullmatch(row_id) else []
    lines = "".join(
        f"<tr><td>{escape(c.label)}</td><td><code>{escape(c.read_name)}</code></td>{_cell(found, c)}</tr>"
        for found in listed[:1]
        for c in columns
    )
    heads = "<tr><th>Column</th><th>Name</th><th>Value</th></tr>"
    inner = f'<div class="wide"><table>{heads}{lines}</table></div>' if listed else "<p>There is no such row.</p>"
    back = f'<nav><a href="/tables/{escape(table.name)}">All rows</a></nav>'
    title = f"{escape(table.label)}<small>{escape(row_id[:36])}</small>"
    return f"<section><h1>{title}</h1>{inner}{back}</section>"


def counted(application: Application, table: Table) -> int:
    """How many rows a table has."""
    return int(str(application.service.world.store.value(f"SELECT count(*) FROM {identifier(table.name)}")))


def _read(
    application: Application, table: Table, columns: Sequence[Column], tail: str, values: Sequence[object]
) -> list[dict[str, object]]:
    world = application.service.world
    shape = reading.members(world.tables, table, columns, Preferences(annotations=(FORMATTED, LOOKUP_TABLE)))
    terms = ", ".join(member.term for member in shape)
    statement = f"SELECT {terms} FROM {identifier(table.name)} AS {ROOT} {tail}"
    return reading.rows(world.store.all(statement, values), shape)


def _cells(table: Table, found: dict[str, object], columns: Sequence[Column]) -> str:
    first, *others = columns
    link = _address(table.name, found[table.id_column])
    text = _text(found, first) or str(found[table.id_column])
    head = f'<td title="{escape(text)}"><a href="{link}">{escape(text)}</a></td>'
    return head + "".join(_cell(found, column) for column in others)


def _cell(found: dict[str, object], column: Column) -> str:
    text = escape(_text(found, column))
    if not text:
        return _NONE
    target = found.get(f"{column.read_name}@{LOOKUP_TABLE}")
    if target is None:
        return f'<td title="{text}">{text}</td>'
    link = _address(str(target), found[column.read_name])
    return f'<td title="{text}"><a href="{link}">{text}</a></td>'


def _text(found: dict[str, object], column: Column) -> str:
    """A value as people read it, cut where it is long; '' for none."""
    value = found.get(f"{column.read_name}@{FORMATTED}", found[column.read_name])
    return "" if value is None else str(value)[:_SHOWN]


def _address(table: str, row_id: object) -> str:
    return f"/tables/{escape(table)}?id={escape(str(row_id))}"


def _links(table: Table, page: int, count: int) -> str:
    last = max(1, -(-count // _PAGE))
    links = [f"<span>Page {page:,} of {last:,}</span>"]
    if page > 1:
        links.append(f'<a href="/tables/{escape(table.name)}?page={page - 1}">Previous</a>')
    if page < last:
        links.append(f'<a href="/tables/{escape(table.name)}?page={page + 1}">Next</a>')
    return f"<nav>{''.join(links)}</nav>"


def _rank(table: Table) -> Callable[[Column], tuple[int, int]]:
    places = {name: at for at, name in enumerate(table.columns)}

    def rank(column: Column) -> tuple[int, int]:
        group = 0 if column.name == table.name_column else 3 if column.name in _LAST else 2 if column.primary_id else 1
        return group, places[column.name]

    return rank
