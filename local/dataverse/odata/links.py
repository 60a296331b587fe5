"""URLs in replies."""

from __future__ import annotations

from urllib.parse import unquote

from local.dataverse.messages import Request


def next_link(request: Request, address: str, token: str) -> str:
    """The URL of the next page: the request's own, with the token."""
    kept = [part for part in request.query.split("&") if part and unquote(part.partition("=")[0]) != "$skiptoken"]
    return f"{request.root}{address}?{'&'.join([*kept, '$skiptoken=' + token])}"
