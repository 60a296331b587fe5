"""Answers that are wrong in a way that a client has to notice."""

from __future__ import annotations

from typing import Any

import orjson

from local.dataverse.faults.asked import Asked
from local.dataverse.faults.kinds import Fault, FaultKind
from local.dataverse.messages import JSON, Reply

_HTML = b"<!doctype html><html><head><title>Service unavailable</title></head><body><h1>Please wait</h1></body></html>"


def html(fault: Fault) -> Reply:
    """A page of HTML where JSON is expected, as a proxy or a sign-in page gives it."""
    return Reply(fault.status or 200, _HTML, list(fault.headers.items()), "text/html; charset=utf-8")


_NEED_A_BODY = frozenset((FaultKind.TRUNCATED, FaultKind.CONTENT_TYPE, FaultKind.SLOW_BODY, FaultKind.REPEATED_LINK))


def can_act(fault: Fault, reply: Reply) -> bool:
    """Whether a fault of this kind can do anything to this answer."""
    if fault.kind is FaultKind.REPEATED_LINK and reply.status != 200:
        return False
    return fault.kind not in _NEED_A_BODY or (bool(reply.body) and reply.status not in (204, 304))


def spoil(fault: Fault, reply: Reply, asked: Asked, url: str) -> None:
    """Spoils an answer; `url` is the request's own."""
    if fault.kind is FaultKind.TRUNCATED:
        reply.body = reply.body[: len(reply.body) // 2]
    elif fault.kind is FaultKind.CONTENT_TYPE:
        reply.content_type = "text/html; charset=utf-8"
    elif reply.status != 200 or asked.method != "GET":
        return
    elif fault.kind is FaultKind.COLUMN_SECURITY and asked.names(fault.column):
        reply.status, reply.body = 204, b""
    elif reply.content_type == JSON and fault.kind is FaultKind.REPEATED_LINK:
        document = orjson.loads(reply.body)
        document["@odata.nextLink"] = url
        reply.body = orjson.dumps(document)
    elif reply.content_type == JSON and fault.kind is FaultKind.COLUMN_SECURITY:
        reply.body = orjson.dumps(_hidden(orjson.loads(reply.body), fault.column))


def _hidden(document: Any, column: str) -> Any:
    """A document whose rows hold null in a column and nothing that tells of its value."""
    rows = document.get("value") if isinstance(document, dict) else None
    for row in rows if isinstance(rows, list) else [document]:
        for name in [n for n in row if n.partition("@")[0] in (column, f"_{column}_value")]:
            if "@" in name:
                del row[name]
            else:
                row[name] = None
    return document
