"""One page of an OData collection: where its rows begin and end, found without parsing them.

A page is a few megabytes. Only what stands around the array is parsed; the array's own bytes go on untouched. Where
its end is not plain, it is proved, or found by counting square brackets outside texts; whether a bracket is outside is
told by the parity of the quotes before it. So a text that holds `"value":[` or brackets, and a next link before or
after the rows, do no harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from shared.errors import DestinationError, UnavailableError

_SPACE = re.compile(rb"\s*")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_SCALAR = re.compile(rb"[^\s,\]}]+")
_BRACKETS = {ord("["): re.compile(rb"[\[\]]"), ord("{"): re.compile(rb"[{}]")}
_END_OF_OBJECT = re.compile(rb"\}\s*\Z")
_OPENING = (b"[", b"{")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Page:
    """`rows` is the JSON array within the reply, not copied; `next_link` leads to the next page, if there is one.

    `delta_link` leads from the last page of a tracked query to what changes after it.
    """

    rows: memoryview
    next_link: str | None
    delta_link: str | None = None


def read_page(body: bytes) -> Page:
    """Cut a collection's reply into its rows and its next link.

    Raises:
        DestinationError: it is no collection (an error object, a web page).
        UnavailableError: it ends in the middle.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    start = _find_rows(body)
    end = _end_of_rows(body, start)
    envelope = _envelope(body, start, end)
    return Page(memoryview(body)[start:end], _link(envelope, "next"), _link(envelope, "delta"))


def _link(envelope: dict[str, object], kind: str) -> str | None:
    link = envelope.get(f"@odata.{kind}Link")
    if link is not None and not isinstance(link, str):
        raise DestinationError(f"the service gave a {kind} link that is not a text")
    return link or None


def _find_rows(body: bytes) -> int:
    """Where the array of the top-level member `value` begins."""
    at = _skip_space(body, 0)
    if body[at : at + 1] != b"{":
        raise DestinationError("the service answered something that is no JSON object where rows were expected")
    at += 1
    while True:
        name, at = _member_name(body, at)
        if name == b'"value"':
            return _array_at(body, at)
        at = _skip_space(body, _end_of_value(body, at))
        if body[at : at + 1] != b",":
            raise _no_rows(body)
        at += 1


def _member_name(body: bytes, at: int) -> tuple[bytes, int]:
    """A member's name with its quotes, and where its value begins."""
    at = _skip_space(body, at)
    name = _TEXT.match(body, at)
    if name is None:
        raise _no_rows(body)
    at = _skip_space(body, name.end())
    if body[at : at + 1] != b":":
        raise _no_rows(body)
    return name[0], _skip_space(body, at + 1)


def _array_at(body: bytes, at: int) -> int:
    if body[at : at + 1] != b"[":
        raise _no_rows(body)
    return at


def _end_of_value(body: bytes, at: int) -> int:
    """Where the JSON value that begins at `at` ends."""
    if body[at : at + 1] in _OPENING:
        return _end_of_brackets(body, at)
    found = (_TEXT if body[at : at + 1] == b'"' else _SCALAR).match(body, at)
    if found is None:
        raise _cut_short()
    return found.end()


def _end_of_rows(body: bytes, start: int) -> int:
    """Where the rows end; quick for the pages that come every day, exact for all.

    A single pair of brackets, the second after an object, needs no counting: were it inside a text, the array would
    never close, and who parses the rows would refuse them. Else the last closing one is taken when both what it closes
    and what is left around it are JSON, which proves it. Else the brackets are counted.
    """
    first, last = body.find(b"]", start), body.rfind(b"]")
    alone = first == last and body.find(b"[", start + 1, last) < 0
    if alone and first >= 0 and (_END_OF_OBJECT.search(body, max(first - 64, start), first) or first == start + 1):
        return first + 1
    if _is_json(body[:start] + b"null" + body[last + 1 :]) and _is_json(body[start : last + 1]):
        return last + 1
    return _end_of_brackets(body, start)


def _is_json(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _end_of_brackets(body: bytes, start: int) -> int:
    opening = body[start]
    depth, inside_text, checked = 0, False, start
    for found in _BRACKETS[opening].finditer(body, start):
        at = found.start()
        inside_text ^= _odd_quotes(body[checked:at])
        checked = at
        if inside_text:
            continue
        depth += 1 if body[at] == opening else -1
        if depth == 0:
            return at + 1
    raise _cut_short()


def _odd_quotes(piece: bytes) -> bool:
    """Whether a text begins or ends in the piece: an odd number of quotes that are not escaped."""
    if b"\\\\" in piece:
        piece = piece.replace(b"\\\\", b"")
    return (piece.count(b'"') - piece.count(b'\\"')) % 2 == 1


def _skip_space(body: bytes, at: int) -> int:
    found = _SPACE.match(body, at)
    return found.end() if found else at


def _envelope(body: bytes, start: int, end: int) -> dict[str, object]:
    """What stands around the rows, parsed: so the whole reply is known to be JSON to its last brace."""
    try:
        envelope = orjson.loads(body[:start] + b"null" + body[end:])
    except orjson.JSONDecodeError:
        raise _cut_short() from None
    if not isinstance(envelope, dict) or "error" in envelope:
        raise _no_rows(body)
    return envelope


def _no_rows(body: bytes) -> DestinationError | UnavailableError:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _cut_short()
    error = reply.get("error") if isinstance(reply, dict) else None
    said = error.get("message") if isinstance(error, dict) else None
    reason = f": {said}" if isinstance(said, str) else ""
    return DestinationError(f"the service answered without rows where rows were expected{reason}")


def _cut_short() -> UnavailableError:
    return UnavailableError("a page of rows ended in the middle; it is read again when the job is started again")
