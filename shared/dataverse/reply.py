"""One reply, read in one piece and within bounds."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import orjson
from isal import igzip
from isal.igzip_lib import IsalError

from shared.dataverse.refusals import Refusal, is_web_page, read_refusal
from shared.errors import DestinationError, UnavailableError

REPLY_LIMIT_BYTES = 256 * 1024 * 1024
"""Larger than any page of 5,000 rows with long texts; a reply beyond it is not read to its end."""
_PIECE_BYTES = 4 * 1024 * 1024
_SIZE_BYTES = 4
_opened = cast("Callable[[io.BytesIO], gzip.GzipFile]", igzip.open)  # it has no types
_UNPACKING_ERROR = cast("type[Exception]", IsalError)  # its stub calls it an instance


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. Header names are in lower case; `seconds` from sending the request to the reply's end.

    `in_doubt`: the request was sent before, without an answer, and may have been carried out then.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    in_doubt: bool = False

    @property
    def refused(self) -> bool:
        """Whether the service did not do what was asked."""
        return not 200 <= self.status < 300

    @property
    def refusal(self) -> Refusal:
        """What the service said when it refused."""
        return read_refusal(self.status, self.headers, self.body)

    def json(self) -> dict[str, object]:
        """The body as a JSON object.

        Raises:
            DestinationError: it is none (a login page, for example).
        """
        try:
            value = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise DestinationError(self._not_json(), request_id=self.refusal.request_id) from None
        if not isinstance(value, dict):
            raise DestinationError(self._not_json(), request_id=self.refusal.request_id)
        return value

    def _not_json(self) -> str:
        if is_web_page(self.headers, self.body):
            return "the service answered with a web page (a login or proxy page?); check the service URL"
        return f"the service answered {len(self.body)} bytes that are not a JSON object; check the service URL"


class RawBody(Protocol):
    """The part of urllib3's response that is used."""

    def read(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Read up to `amt` bytes as they came."""
        ...


def read_body(raw: RawBody, headers: Mapping[str, str], *, limit_bytes: int) -> bytes:
    """Read a body whole and undo gzip once.

    Raises:
        DestinationError: it is larger than `limit_bytes`, or packed in a way that was not asked for.
        UnavailableError: it was cut short.
    """
    packed = _read_packed(raw, limit_bytes)
    encoding = (headers.get("content-encoding") or "identity").strip().lower()
    if encoding in ("", "identity") or not packed:
        return packed
    if encoding not in ("gzip", "x-gzip"):
        raise DestinationError(f"the service packed its reply with {encoding[:40]!r}; only gzip is asked for")
    return _gunzip(packed, limit_bytes)


def _read_packed(raw: RawBody, limit_bytes: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while piece := raw.read(_PIECE_BYTES, decode_content=False):
        size += len(piece)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _gunzip(packed: bytes, limit_bytes: int) -> bytes:
    """The unpacked bytes, at most `limit_bytes`, in one piece of the size that gzip's last bytes tell.

    A buffer that grows is handed out and taken back by the kernel with every reply; that costs as much as unpacking.
    What is told may be wrong: of what comes beyond it, no more is read than the limit allows.
    """
    told = min(int.from_bytes(packed[-_SIZE_BYTES:], "little"), limit_bytes)
    try:
        with _opened(io.BytesIO(packed)) as unpacked:
            body = unpacked.read(told + 1)
            if len(body) > told:
                body += unpacked.read(limit_bytes + 1 - len(body))
    except EOFError:
        raise UnavailableError("a packed reply was cut short", maybe_done=True) from None
    except (_UNPACKING_ERROR, OSError) as error:
        raise UnavailableError(f"a reply could not be unpacked: {error}", maybe_done=True) from None
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


def _too_large(limit_bytes: int) -> DestinationError:
    return DestinationError(
        f"a reply of the service is larger than {limit_bytes} bytes; read fewer columns or smaller pages"
    )
