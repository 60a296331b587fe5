"""One request and its reply, as every part of the stand-in sees them, whether alone or inside a batch."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import orjson

from local.dataverse.refusals import Refusal, payload

_KEPT_DIGITS = 15
_LONG = re.compile(
    rb"\.(?:%s)"
    % b"|".join(
        rb"(?<=[0-9]{%d}\.)(?=[0-9]{%d})" % (before, _KEPT_DIGITS + 1 - before) for before in range(1, _KEPT_DIGITS + 1)
    )
)
"""A number with more digits than a float keeps: such a body is read with decimals, which takes longer."""
_LONG_POWERS = tuple(re.compile(rb"%b[-+0-9](?<=[0-9]{%d}..)" % (e, _KEPT_DIGITS + 1)) for e in (b"e", b"E"))
"""The same of a number without a point, such as 12345678901234567e-2; two searches for a letter are faster than one."""
_TEXT = rb'("(?:[^"\\]|\\.)*")'
_ERROR = re.compile(rb'\{"error":(?:\{"code":%b,"message":%b|"[^"]*","error_description":%b)' % (_TEXT, _TEXT, _TEXT))
"""The error of the Web API, or of the token endpoint."""
_SHOWN = 500
JSON = "application/json; odata.metadata=minimal"


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is raw, behind the service root; `headers` in lower case; `root` is the root's URL."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    root: str


@dataclass(slots=True)
class Reply:
    """One reply. `message` is the service's name for what was done, `rows` how many rows it was done to."""

    status: int
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = JSON
    message: str = ""
    rows: int = 0


def json_reply(document: object, status: int = 200, *, message: str = "", rows: int = 0) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, orjson.dumps(document, default=_number), message=message, rows=rows)


def _number(value: object) -> float:
    """A decimal that came with a body and goes back as it is."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(type(value).__name__)


def error_reply(refusal: Refusal, wants: Callable[[str], bool] = lambda _: False) -> Reply:
    """The error envelope, with those annotations that the caller wants."""
    error: dict[str, object] = {"code": refusal.code, "message": refusal.message}
    annotations = {
        "Microsoft.PowerApps.CDS.HelpLink": "http://go.microsoft.com/fwlink/?LinkID=398563&error=" + refusal.code,
        "Microsoft.PowerApps.CDS.ErrorDetails.OperationStatus": "0",
        "Microsoft.PowerApps.CDS.TraceText": "",
        "Microsoft.PowerApps.CDS.InnerError.Message": refusal.message,
        **{f"Microsoft.PowerApps.CDS.ErrorDetails.{name}": text for name, text in refusal.details.items()},
    }
    error |= {f"@{name}": text for name, text in annotations.items() if wants(name)}
    return Reply(refusal.status, orjson.dumps({"error": error}), list(refusal.headers))


def error_text(reply: Reply) -> str:
    """Code and text of the error that a reply carries, of a batch of the first one; '' without any."""
    if reply.status < 400 and reply.message != "Batch":
        return ""
    found = _ERROR.search(reply.body)
    if found is None:
        return ""
    return " ".join(str(orjson.loads(part)) for part in found.groups() if part not in (None, b'""'))[:_SHOWN]


def body_object(request: Request) -> dict[str, object]:
    """The body as a JSON object.

    Raises:
        Refusal: it is none, or says that it is something else.
    """
    _check_type(request.headers.get("content-type", ""))
    try:
        document = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise payload("", "Invalid JSON. The content cannot be read as a JSON text.") from None
    if any(long.search(request.body) for long in (_LONG, *_LONG_POWERS)):
        document = json.loads(request.body, parse_float=Decimal)
    if not isinstance(document, dict):
        raise Refusal(400, "0x80048d19", "Error identified in Payload provided by the user: a JSON object is needed.")
    return document


def _check_type(given: str) -> None:
    """A body is JSON; one that says nothing is taken for it."""
    kind = given.partition(";")[0].strip().lower()
    if kind not in ("", "application/json", "text/json"):
        raise Refusal(
            415,
            "0x80048d19",
            "A supported MIME type could not be found that matches the content type of the request. None of the "
            f"supported type(s) 'application/json' matches the content type '{given[:100]}'.",
        )
