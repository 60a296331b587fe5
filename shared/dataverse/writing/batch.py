"""The `$batch` format: many requests in one, each with its own answer.

Source: Microsoft Learn, "Execute batch operations using the Web API". Lines end in CRLF; LF is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile

from shared.dataverse.payloads import body_with_id, ids_in, row_path
from shared.dataverse.refusals import Refusal, read_refusal
from shared.dataverse.reply import Reply
from shared.dataverse.writing.options import NO_OPTIONS, WriteOptions
from shared.values.changes import Write, WriteKind
from shared.values.tables import Table

MOST_OPERATIONS = 1000
_METHODS = {WriteKind.CREATE: "POST", WriteKind.UPDATE: "PATCH", WriteKind.DELETE: "DELETE"}
_BOUNDARY = re.compile(r'boundary="?([^";,\s]+)"?', re.IGNORECASE)
_STATUS_LINE = re.compile(rb"HTTP/1\.\d (\d{3})")
THROTTLED = 429
_THROTTLED = re.compile(rb"HTTP/1\.\d 429")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one operation. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def refusal(self, request_id: str | None) -> Refusal:
        """What was said against it; `request_id` is the batch's own, used when the part names none."""
        refusal = read_refusal(self.status, self.headers, self.body)
        own = refusal.request_id or request_id
        return Refusal(refusal.status, refusal.code, refusal.message, own, refusal.details)

    def names_other_than(self, row_id: str) -> bool:
        """Whether the part tells the id of a row that was created, and it is another one."""
        named = ids_in(self.headers.get("odata-entityid", "").rpartition("(")[2])
        return bool(named) and row_id not in named


def boundary_of(writes: Sequence[Write]) -> str:
    """A boundary for these writes. No body can hold it at a line's start, for bodies are sent in one line."""
    return f"batch_{writes[0].row_id}"


def batch_headers(boundary: str, options: WriteOptions = NO_OPTIONS) -> dict[str, str]:
    """The outer request's headers: go on after a refused row."""
    own = {"Content-Type": f'multipart/mixed; boundary="{boundary}"', "Prefer": "odata.continue-on-error"}
    return {**options.headers, **own}


def batch_body(
    table: Table,
    kind: WriteKind,
    writes: Sequence[Write],
    *,
    boundary: str,
    root: str,
    options: WriteOptions = NO_OPTIONS,
) -> bytes:
    """The outer request's body; `root` is the service's path, `/api/data/v9.2/`."""
    operations = "".join(f"--{boundary}\r\n{_operation(table, kind, write, root, options)}\r\n" for write in writes)
    return f"{operations}--{boundary}--\r\n".encode()


def _operation(table: Table, kind: WriteKind, write: Write, root: str, options: WriteOptions) -> str:
    path = options.tagged(table.entity_set if kind is WriteKind.CREATE else row_path(table, write.row_id))
    lines = [
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        f"{_METHODS[kind]} {root}{path} HTTP/1.1",
        *_operation_headers(kind, write),
        *options.lines,
        "",
        _operation_body(table, kind, write),
    ]
    return "\r\n".join(lines)


def _operation_headers(kind: WriteKind, write: Write) -> list[str]:
    """An update always carries If-Match: without it, it would create a row that is gone."""
    lines = [] if kind is WriteKind.DELETE else ["Content-Type: application/json; type=entry"]
    if kind is WriteKind.UPDATE:
        lines.append(f"If-Match: {write.etag or '*'}")
    elif kind is WriteKind.DELETE and write.etag:
        lines.append(f"If-Match: {write.etag}")
    return lines


def _operation_body(table: Table, kind: WriteKind, write: Write) -> str:
    if kind is WriteKind.DELETE:
        return ""
    body = body_with_id(table, write, typed=False) if kind is WriteKind.CREATE else write.body
    return body.replace("\r", " ").replace("\n", " ")


def read_answers(headers: Mapping[str, str], body: bytes) -> list[Part] | None:
    """The parts of a multipart reply in the order of the operations, or None when it is none.

    Fewer than were asked when the service stopped or was cut off; a part that was cut off is left out, and so is all
    that follows a part that cannot be read.
    """
    kind = headers.get("content-type") or ""
    found = _BOUNDARY.search(kind)
    if "multipart/" not in kind.lower() or found is None:
        return None
    line = re.compile(rb"(?:^|\r?\n)--" + re.escape(found[1].encode()) + rb"(?:--)?[ \t]*(?=\r?\n|$)")
    marks = list(line.finditer(body))
    pieces = (body[mark.end() : following.start()] for mark, following in pairwise(marks))
    parts = takewhile(lambda part: part is not None, map(_read_part, pieces))
    return [part for part in parts if part is not None]


def throttled_in(reply: Reply) -> list[Reply]:
    """The answers within a multipart reply that say a limit is reached (429)."""
    if not _THROTTLED.search(reply.body):
        return []
    parts = read_answers(reply.headers, reply.body) or []
    return [Reply(part.status, part.headers, part.body) for part in parts if part.status == THROTTLED]


def _read_part(piece: bytes) -> Part | None:
    sections = _BLANK_LINE.split(piece.lstrip(b"\r\n"), maxsplit=2)
    if len(sections) < 2:
        return None
    status_line, *header_lines = sections[1].splitlines() or [b""]
    status = _STATUS_LINE.match(status_line.strip())
    if status is None:
        return None
    body = sections[2] if len(sections) > 2 else b""
    return Part(int(status[1]), _headers(header_lines), body.strip())


def _headers(lines: Sequence[bytes]) -> dict[str, str]:
    pairs = (line.decode("latin-1").partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
