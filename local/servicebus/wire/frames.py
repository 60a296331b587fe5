"""Frames: bytes on the socket, and the fields of what they carry."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Any

from local.servicebus.codec import CodecError, Described, Symbol, ULong, decode, encode_list
from local.servicebus.refusals import BusRefusal

HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
HEARTBEAT = b"\x00\x00\x00\x08\x02\x00\x00\x00"
LARGEST = 65536
"""What a frame may weigh; a peer that sends a larger one is cut off."""
BATCH_FORMAT = 0x80013700

_head = struct.Struct(">IBBH")
AMQP, SASL = 0, 1


class Code(IntEnum):
    """What a frame carries."""

    OPEN = 0x10
    BEGIN = 0x11
    ATTACH = 0x12
    FLOW = 0x13
    TRANSFER = 0x14
    DISPOSITION = 0x15
    DETACH = 0x16
    END = 0x17
    CLOSE = 0x18
    SASL_MECHANISMS = 0x40
    SASL_INIT = 0x41
    SASL_OUTCOME = 0x44


class Outcome(IntEnum):
    """What became of a delivery."""

    ACCEPTED = 0x24
    REJECTED = 0x25
    RELEASED = 0x26
    MODIFIED = 0x27


# Each field is written, nulls at the end too: the SDK's older versions look for them.
_WIDTHS = {
    Code.OPEN: 10,
    Code.BEGIN: 8,
    Code.ATTACH: 14,
    Code.FLOW: 11,
    Code.TRANSFER: 11,
    Code.DISPOSITION: 6,
    Code.DETACH: 3,
    Code.END: 1,
    Code.CLOSE: 1,
}


def frame(channel: int, body: bytes, kind: int = AMQP) -> bytes:
    """One frame with its length and channel."""
    return _head.pack(len(body) + 8, 2, kind, channel) + body


def performative(code: int, fields: list[Any]) -> bytes:
    """A performative with all its fields."""
    missing = _WIDTHS.get(Code(code), 0) - len(fields)
    return b"\x00\x53" + bytes((code,)) + encode_list(fields + [None] * missing)


class Frame:
    """A frame that came: `code` and `fields` of its performative, and the payload behind it.

    Raises:
        CodecError: it is none.
    """

    __slots__ = ("channel", "code", "fields", "kind", "payload")

    def __init__(self, raw: bytes) -> None:
        _, offset, self.kind, self.channel = _head.unpack_from(raw)
        start = offset * 4
        self.payload = b""
        self.code: int | None = None
        self.fields = Fields([])
        if not 8 <= start <= len(raw):
            raise CodecError(f"a frame of {len(raw)} bytes says that its body begins at {start}")
        if start == len(raw):
            return
        body, end = decode(raw, start)
        if not isinstance(body, Described) or not isinstance(body.value, list) or not isinstance(body.descriptor, int):
            raise CodecError("a frame's body is no performative")
        self.code = int(body.descriptor)
        self.fields = Fields(body.value)
        self.payload = raw[end:]


class Fields:
    """A performative's fields by place; one that is missing or null gives the default, one of a wrong type an error."""

    __slots__ = ("_values",)

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def any(self, place: int) -> Any:
        """The field as it came."""
        return self._values[place] if place < len(self._values) else None

    def _of(self, place: int, kind: type | tuple[type, ...]) -> Any:
        value = self.any(place)
        if value is not None and not isinstance(value, kind):
            raise CodecError(f"field {place} of a performative is a {type(value).__name__}")
        return value

    def number(self, place: int, default: int = 0) -> int:
        """A number."""
        value = self._of(place, int)
        return default if value is None else int(value)

    def number_or_none(self, place: int) -> int | None:
        """A number, if there is one."""
        value = self._of(place, int)
        return None if value is None else int(value)

    def truth(self, place: int) -> bool:
        """A truth; null is false."""
        return bool(self._of(place, bool))

    def text(self, place: int) -> str:
        """A text; null is empty."""
        return str(self._of(place, str) or "")

    def binary(self, place: int) -> bytes:
        """Bytes; null is none."""
        return bytes(self._of(place, bytes) or b"")

    def mapping(self, place: int) -> dict[Any, Any]:
        """A map; null is empty."""
        return dict(self._of(place, dict) or {})

    def described(self, place: int) -> tuple[int | None, Fields]:
        """The number that describes the field and its own fields; None where it is null."""
        value = self._of(place, Described)
        if value is None:
            return None, Fields([])
        if not isinstance(value.descriptor, int) or not isinstance(value.value, list):
            raise CodecError(f"field {place} of a performative is described in no known way")
        return int(value.descriptor), Fields(value.value)

    def __len__(self) -> int:
        return len(self._values)


def error(refusal: BusRefusal) -> Described:
    """An error; all three fields, since the SDK looks for the third of a rejected send."""
    return Described(ULong(0x1D), [Symbol(refusal.condition), refusal.text, {}])


def outcome(kind: Outcome, fields: list[Any] | None = None) -> Described:
    """An outcome for a disposition."""
    return Described(ULong(kind), fields or [])


def rejected(refusal: BusRefusal) -> Described:
    """The outcome of what was refused."""
    return outcome(Outcome.REJECTED, [error(refusal)])
