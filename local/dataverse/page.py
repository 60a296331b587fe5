"""The page for people: the tables, rows and latest requests. Every value is escaped, nothing is loaded."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from local.dataverse import refusals, rowpage
from local.dataverse.identity import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from local.dataverse.messages import Reply, Request, error_reply
from local.dataverse.odata import options as query_options
from local.dataverse.panels import panels

if TYPE_CHECKING:
    from local.dataverse.application import Application, LoggedRequest

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_REQUESTS = 25
_MARK = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_MARK}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def answer(application: Application, request: Request) -> Reply:
    """The page at `/`, the rows at `/tables/<name>?page=2`, or one row at `/tables/<name>?id=…`."""
    if request.path == "/":
        return _html(request, "Local Dataverse", _overview(application, request.root))
    name = unquote(request.path.removeprefix("/tables/"))
    table = application.service.world.tables.by_name.get(name)
    if table is None or not request.path.startswith("/tables/"):
        return error_reply(refusals.no_resource())
    given = query_options.pairs(request.query)
    title = f"{table.label} · Local Dataverse"
    if "id" in given:
        return _html(request, title, rowpage.row(application, table, given["id"]))
    page = given.get("page", "1")
    number = max(1, int(page)) if page.isascii() and page.isdigit() and len(page) < 9 else 1
    return _html(request, title, rowpage.rows(application, table, number))


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


def _overview(application: Application, root: str) -> str:
    latest = list(application.log)[-_REQUESTS:][::-1]
    tables = "".join(
        f'<tr><td><a href="/tables/{escape(t.name)}">{escape(t.label)}</a></td><td><code>{escape(t.name)}</code></td>'
        f'<td><code>{escape(t.entity_set)}</code></td><td class="number">{rowpage.counted(application, t):,}</td></tr>'
        for t in application.service.world.tables.by_name.values()
    )
    heads = '<tr><th>Table</th><th>Logical name</th><th>Entity set</th><th class="number">Rows</th></tr>'
    return (
        f'{_sign_in(root)}<section><h1>Tables</h1><div class="wide"><table>{heads}{tables}</table></div></section>'
        f"{panels(application)}<section><h2>Latest requests</h2>{_requests(latest)}</section>"
    )


def _sign_in(root: str) -> str:
    """What a client needs; the same everywhere, and it opens nothing else."""
    values = {
        "Service URL": f"{root}/api/data/v9.2/",
        "Authority": root,
        "Tenant id": TENANT_ID,
        "Client id": CLIENT_ID,
        "Client secret": CLIENT_SECRET,
        "Scope": f"{root}/.default",
    }
    lines = "".join(f"<tr><td>{name}</td><td><code>{escape(value)}</code></td></tr>" for name, value in values.items())
    return f'<section><h2>Signing in</h2><div class="wide"><table>{lines}</table></div></section>'


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
    error = f'<tr class="error"><td colspan="5">{escape(entry.error)}</td></tr>' if entry.error else ""
    return (
        f'<tr><td title="{escape(shown[:2000])}">{escape(entry.method)} {escape(shown[:200])}</td>'
        f'<td>{escape(entry.message)}</td><td class="number{bad}">{entry.status or "cut"}</td>'
        f'<td class="number">{entry.rows:,}</td><td class="number">{entry.milliseconds:,.1f} ms</td></tr>{error}'
    )
