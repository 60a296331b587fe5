"""`$batch`: operations in order, change sets that hold or fall together, references by Content-ID."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from local.dataverse.messages import Reply, Request, error_reply
from local.dataverse.refusals import Refusal
from local.dataverse.writes.links import relative

if TYPE_CHECKING:
    from local.dataverse.service import Service

MAX_OPERATIONS = 1000
_BOUNDARY = re.compile(
    r'multipart/mixed\s*;(?:.*;)?\s*boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE
)
_REFERENCE = re.compile(rb'(@odata\.(?:bind|id)"\s*:\s*)"(\$[\w-]+)((?:/[^"\\]*)?)"')
"""A reference in a body: the value of a bind or an `@odata.id`, never another text that begins with a dollar."""
_STATUSES = frozenset(HTTPStatus)
_GO_ON = re.compile(r"odata\.continue-on-error(?!\s*=\s*false)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Operation:
    """One inner request; `content_id` names it inside its change set."""

    request: Request
    content_id: str = ""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Writes that hold or fall together."""

    operations: tuple[Operation, ...]


class _ChangeSetRefused(Exception):  # noqa: N818 - leaves the transaction, nothing more
    def __init__(self, reply: Reply, content_id: str) -> None:
        super().__init__()
        self.reply = reply
        self.content_id = content_id


def answer(service: Service, request: Request) -> Reply:
    """The reply to a batch.

    Raises:
        Refusal: the batch as such is malformed; nothing of it was done.
    """
    parts = list(_parts(request))
    boundary = f"batchresponse_{_mark()}"
    pieces: list[bytes] = []
    status, rows = 200, 0
    go_on = _GO_ON.search(request.headers.get("prefer", "")) is not None
    for part in parts:
        if isinstance(part, ChangeSet):
            piece, failed, count = _change_set(service, part)
        else:
            reply = service.answer(part.request, in_batch=True)
            piece, failed, count = _operation_text(reply, part.content_id), reply.status, reply.rows
        pieces.append(piece)
        rows += count if failed < 400 else 0
        if failed >= 400 and not go_on:
            status = failed
            break
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), piece) for piece in pieces) + f"--{boundary}--\r\n".encode()
    return Reply(status, body, [], f"multipart/mixed; boundary={boundary}", "Batch", rows)


def _change_set(service: Service, change_set: ChangeSet) -> tuple[bytes, int, int]:
    """The part for a change set, its worst status, and the rows it wrote."""
    boundary = f"changesetresponse_{_mark()}"
    made: dict[str, str] = {}
    texts: list[bytes] = []
    rows = 0
    try:
        with service.world.store.transaction():
            for operation in change_set.operations:
                reply = _step(service, operation, made)
                made[f"${operation.content_id}"] = _address_of(reply, operation.request)
                rows += reply.rows
                texts.append(_operation_text(reply, operation.content_id))
        status = 200
    except _ChangeSetRefused as refused:
        service.world.forget()
        texts, status, rows = [_operation_text(refused.reply, refused.content_id)], refused.reply.status, 0
    inner = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), text) for text in texts)
    head = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode()
    return head + inner + f"--{boundary}--\r\n".encode(), status, rows


def _step(service: Service, operation: Operation, made: dict[str, str]) -> Reply:
    """One write of a change set; a refused one ends the set."""
    request = _with_references(operation.request, made)
    reply = service.answer(request, in_batch=True) if isinstance(request, Request) else request
    if reply.status >= 400:
        raise _ChangeSetRefused(reply, operation.content_id)
    return reply


def _with_references(request: Request, made: dict[str, str]) -> Request | Reply:
    """The request with `$1` replaced by what part 1 created, in its URL and in its body."""
    missing: list[str] = []

    def known(name: str) -> str:
        if name not in made:
            missing.append(name)
        return made.get(name, "")

    path, query, body = request.path, request.query, request.body
    if path.startswith("$"):
        first, slash, rest = path.partition("/")
        path = relative(known(first)) + slash + rest
    if query.startswith("$id=$"):
        query = "$id=" + known(query.removeprefix("$id="))
    if b"@odata." in body:
        body = _REFERENCE.sub(lambda m: m[1] + b'"' + known(m[2].decode()).encode() + m[3] + b'"', body)
    if missing:
        text = f"Content-ID Reference: '{missing[0]}' does not exist in the batch context."
        return error_reply(Refusal(400, "0x80060888", text))
    return replace(request, path=path, query=query, body=body)


def _address_of(reply: Reply, request: Request) -> str:
    located = next((value for name, value in reply.headers if name == "OData-EntityId"), "")
    return located or f"{request.root}{request.path}"


def _parts(request: Request) -> Iterator[Operation | ChangeSet]:
    body, boundary = request.body, _boundary(request.headers.get("content-type", ""))
    if boundary is None:
        raise Refusal(400, "0x80048d19", "The message has no multipart/mixed content type with a boundary.")
    count = 0
    for headers, content in _split(body, boundary):
        inner = _boundary(headers.get("content-type", ""))
        if inner is None:
            operations = [_operation(headers, content, request)]
        else:
            operations = list(_changes(inner, content, request))
        count += len(operations)
        if count > MAX_OPERATIONS:
            raise Refusal(400, "0x80060888", f"The batch has more than the maximum of {MAX_OPERATIONS} operations.")
        yield operations[0] if inner is None else ChangeSet(tuple(operations))


def _changes(boundary: str, content: bytes, outer: Request) -> Iterator[Operation]:
    seen: set[str] = set()
    for headers, part in _split(content, boundary):
        operation = _operation(headers, part, outer)
        if not operation.content_id:
            raise Refusal(400, "0x80060888", "Content-ID header not present: every part of a change set needs one.")
        if operation.content_id in seen:
            raise Refusal(
                400, "0x80060888", f"The Content-ID '{operation.content_id}' is not unique in its change set."
            )
        if operation.request.method == "GET":
            raise Refusal(400, "0x80060888", "A change set cannot hold a GET request.")
        seen.add(operation.content_id)
        yield operation


def _split(body: bytes, boundary: str) -> Iterator[tuple[dict[str, str], bytes]]:
    """The parts of a multipart body: headers and content."""
    mark = b"--" + boundary.encode()
    if re.search(rb"(?<!\r)\n" + re.escape(mark), body) or body.startswith(mark + b"\n"):
        raise _not_readable()
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise Refusal(400, "0x80048d19", "The multipart body is not closed by its boundary.")
    for piece in pieces[1:-1]:
        head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        yield _headers(head), content


def _not_readable() -> Refusal:
    """Lines end with LF alone."""
    return Refusal(
        400,
        "0x80048d19",
        "Error identified in Payload provided by the user for Entity :'', "
        "InnerException : System.ArgumentException: Stream was not readable.",
    )


def _operation(headers: dict[str, str], content: bytes, outer: Request) -> Operation:
    if not headers.get("content-type", "").lower().startswith("application/http"):
        raise Refusal(400, "0x80048d19", "A part of a batch needs the content type application/http.")
    head, _, body = content.partition(b"\r\n\r\n")
    first, _, rest = head.partition(b"\r\n")
    words = first.decode("latin-1").split(" ")
    if len(words) < 2 or words[0] not in ("GET", "POST", "PATCH", "PUT", "DELETE"):
        raise Refusal(400, "0x80048d19", "A part of a batch needs a request line: METHOD URL HTTP/1.1.")
    url = " ".join(words[1:-1]) if words[-1].startswith("HTTP/") else " ".join(words[1:])
    path, _, query = relative(url).partition("?")
    inner = _headers(rest)
    if "prefer" not in inner and "odata.include-annotations" in outer.headers.get("prefer", ""):
        inner["prefer"] = outer.headers["prefer"]
    request = Request(words[0], path, query, inner, body.removesuffix(b"\r\n"), outer.root)
    return Operation(request, headers.get("content-id", ""))


def _headers(head: bytes) -> dict[str, str]:
    if head.count(b"\n") != head.count(b"\r\n"):
        raise _not_readable()
    found = {}
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip().lower()] = value.strip()
    return found


def _boundary(content_type: str) -> str | None:
    found = _BOUNDARY.match(content_type)
    return (found[1] or found[2]) if found else None


def _operation_text(reply: Reply, content_id: str) -> bytes:
    named = f"Content-ID: {content_id}\r\n" if content_id else ""
    lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", "OData-Version: 4.0"]
    if reply.body:
        lines.append(f"Content-Type: {reply.content_type}")
    lines += [f"{name}: {value}" for name, value in reply.headers]
    head = f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{named}\r\n" + "\r\n".join(lines)
    return head.encode() + b"\r\n\r\n" + reply.body


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in _STATUSES else "Unknown"


def _mark() -> str:
    return secrets.token_hex(8)
