"""The page for people: the tables, rows and latest requests. Every value is escaped, nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from local.dataverse import refusals
from local.dataverse.messages import Reply, Request, error_reply
from local.dataverse.odata import options as query_options
from local.dataverse.odata import reading
from local.dataverse.odata.options import Preferences
from local.dataverse.odata.reading import FORMATTED
from local.dataverse.odata.scope import ROOT
from local.dataverse.panels import panels
from local.dataverse.tables import Column, Table
from shared.sql import identifier

if TYPE_CHECKING:
    from local.dataverse.application import Application, LoggedRequest

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_PAGE = 50
_REQUESTS = 25
_MARK = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_MARK}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
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


def answer(application: Application, request: Request) -> Reply:
    """The page at `/`, or the rows at `/tables/<name>?page=2`."""
    if request.path == "/":
        return _html(request, "Local Dataverse", _overview(application))
    name = unquote(request.path.removeprefix("/tables/"))
    table = application.service.world.tables.by_name.get(name)
    if table is None or not request.path.startswith("/tables/"):
        return error_reply(refusals.no_resource())
    given = query_options.pairs(request.query).get("page", "1")
    page = max(1, int(given)) if given.isascii() and given.isdigit() and len(given) < 9 else 1
    return _html(request, f"{table.label} · Local Dataverse", _rows(application, table, page))


def _html(request: Request, title: str, body: str) -> Reply:
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        '<header><a href="/"><strong>Local Dataverse</strong></a>'
        f"<code>{escape(request.root)}/api/data/v9.2/</code></header><main>{body}</main></body></html>"
    )
    headers = [
        ("Content-Security-Policy", _POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("Cache-Control", "no-store"),
    ]
    return Reply(200, text.encode("utf-8", "replace"), headers, "text/html; charset=utf-8")


def _overview(application: Application) -> str:
    latest = list(application.log)[-_REQUESTS:][::-1]
    tables = "".join(
        f'<tr><td><a href="/tables/{escape(t.name)}">{escape(t.label)}</a></td><td><code>{escape(t.name)}</code></td>'
        f'<td><code>{escape(t.entity_set)}</code></td><td class="number">{_count(application, t):,}</td></tr>'
        for t in application.service.world.tables.by_name.values()
    )
    heads = '<tr><th>Table</th><th>Logical name</th><th>Entity set</th><th class="number">Rows</th></tr>'
    return (
        f'<section><h1>Tables</h1><div class="wide"><table>{heads}{tables}</table></div></section>'
        f"{panels(application)}<section><h2>Latest requests</h2>{_requests(latest)}</section>"
    )


def _requests(entries: Sequence[LoggedRequest]) -> str:
    if not entries:
        return "<p>No requests yet. Point a client at the address above.</p>"
    heads = (
        '<tr><th>Request</th><th>Message</th><th class="number">Status</th><th class="number">Rows</th>'
        '<th class="number">Time</th></tr>'
    )
    return f'<div class="wide"><table>{heads}{"".join(map(_request, entries))}</table></div>'


def _request(entry: LoggedRequest) -> str:
    bad = " bad" if entry.status >= 400 or entry.status == 0 else ""
    shown = unquote(entry.path.partition("/api/data/")[2] or entry.path)
    return (
        f'<tr><td title="{escape(shown[:2000])}">{escape(entry.method)} {escape(shown[:200])}</td>'
        f'<td>{escape(entry.message)}</td><td class="number{bad}">{entry.status or "cut"}</td>'
        f'<td class="number">{entry.rows:,}</td><td class="number">{entry.milliseconds:,.1f} ms</td></tr>'
    )


def _rows(application: Application, table: Table, page: int) -> str:
    world, count = application.service.world, _count(application, table)
    columns = sorted(table.columns.values(), key=_rank(table))
    shape = reading.members(world.tables, table, columns, Preferences(annotations=(FORMATTED,)))
    terms = ", ".join(member.term for member in shape)
    statement = f"SELECT {terms} FROM {identifier(table.name)} AS {ROOT} ORDER BY rowid LIMIT ? OFFSET ?"
    listed = world.store.all(statement, (_PAGE, (page - 1) * _PAGE))
    heads = "".join(f'<th title="{escape(c.label)}">{escape(c.read_name)}</th>' for c in columns)
    body = "".join(f"<tr>{_cells(row, columns)}</tr>" for row in reading.rows(listed, shape))
    inner = f'<div class="wide"><table><tr>{heads}</tr>{body}</table></div>' if listed else "<p>No rows here.</p>"
    title = f"{escape(table.label)}<small>{count:,} {'row' if count == 1 else 'rows'}</small>"
    return f"<section><h1>{title}</h1>{inner}{_links(table, page, count)}</section>"


def _cells(row: dict[str, object], columns: Iterable[Column]) -> str:
    cells = []
    for column in columns:
        value = row.get(f"{column.read_name}@{FORMATTED}", row[column.read_name])
        text = "" if value is None else escape(str(value)[:300])
        cells.append(f'<td title="{text}">{text}</td>' if text else '<td class="none">–</td>')
    return "".join(cells)


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


def _count(application: Application, table: Table) -> int:
    return int(str(application.service.world.store.value(f"SELECT count(*) FROM {identifier(table.name)}")))
