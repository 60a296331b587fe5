"""What Dataverse says when it refuses: the error envelope in all its forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

_REQUEST_ID_HEADERS = ("x-ms-service-request-id", "req_id")
_SHOWN = 500
_WEB_PAGE = re.compile(rb"^\s*(?:<!doctype html|<html)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal. `code` is hexadecimal in lower case (`0x80040237`), or None; `details` holds the other members."""

    status: int
    code: str | None
    message: str
    request_id: str | None
    details: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        code = f" {self.code}" if self.code else ""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.status}{code}: {self.message}{request}"


def normal_code(code: object) -> str | None:
    """An error code as `0x80040237`, whether it came as hexadecimal, signed or unsigned decimal; None when it is empty.

    >>> normal_code("-2147220937")
    '0x80040237'
    """
    text = str(code).strip().lower() if isinstance(code, str | int) and not isinstance(code, bool) else ""
    try:
        number = int(text, 16 if text.startswith(("0x", "-0x")) else 10)
    except ValueError:
        return text[:_SHOWN] or None
    return f"0x{number & 0xFFFFFFFF:08x}" if number else None


def read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """Read a refusal from a reply that may be JSON, a web page, plain text or nothing."""
    error = _error_object(body)
    request_id = request_id_of(headers)
    if error is None:
        return Refusal(status, None, _plain_message(status, headers, body), request_id)
    message = error.get("message")
    details = {key: value for key, value in error.items() if key not in ("code", "message")}
    text = message if isinstance(message, str) and message else "Dataverse gave no reason"
    return Refusal(status, normal_code(error.get("code")), text, request_id, details)


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The service's own number of a request: what Microsoft's support asks for."""
    found = (headers.get(name) for name in _REQUEST_ID_HEADERS)
    return next((value[:64] for value in found if value), None)


def is_web_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a reply is a page for people (a login or proxy page) instead of an answer."""
    return "text/html" in (headers.get("content-type") or "").lower() or _WEB_PAGE.match(body) is not None


def _error_object(body: bytes) -> Mapping[str, object] | None:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    error = reply.get("error", reply.get("Message")) if isinstance(reply, dict) else None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else None


def _plain_message(status: int, headers: Mapping[str, str], body: bytes) -> str:
    if is_web_page(headers, body):
        return "the answer is a web page (a login or proxy page?), not the Web API; check the service URL"
    text = body[:_SHOWN].decode("utf-8", "replace").strip()
    return text or f"status {status} without a reason"
