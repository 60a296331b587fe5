"""Values to bytes, each in its shortest form."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from local.servicebus.codec.values import (
    Array,
    Byte,
    Char,
    Described,
    Float,
    Int,
    Opaque,
    Short,
    Stamp,
    Symbol,
    UByte,
    UInt,
    ULong,
    UShort,
)

_Writer = Callable[[Any], bytes]
_pack32 = struct.Struct(">I").pack
_LONGEST_SHORT = 255


def encode(value: Any) -> bytes:
    """The bytes of one value of the types in `codec.values`, or of Python's own.

    Raises:
        TypeError: there is no AMQP type for it.
        ValueError: the number is too large for its type.
    """
    writer = _WRITERS.get(type(value))
    if writer is None:
        raise TypeError(f"{type(value).__name__} has no AMQP type")
    try:
        return writer(value)
    except struct.error as error:
        raise ValueError(f"a {type(value).__name__} is out of its type's range: {error}") from None


def encode_list(items: Iterable[Any]) -> bytes:
    """A list with all its items written out, nulls at the end too (what the SDK's older versions need)."""
    written = [encode(item) for item in items]
    return _compound(0xC0, 0xD0, len(written), b"".join(written))


def _fixed(code: int, form: str) -> _Writer:
    pack = struct.Struct(">" + form).pack
    head = bytes((code,))
    return lambda value: head + pack(value)


def _packed(form: str) -> _Writer:
    return struct.Struct(">" + form).pack


def _unsigned(zero: int, small: int, code: int, form: str) -> _Writer:
    nothing, short, wide = bytes((zero,)), bytes((small,)), _fixed(code, form)

    def write(value: int) -> bytes:
        if value == 0:
            return nothing
        return short + bytes((value,)) if 0 < value <= _LONGEST_SHORT else wide(value)

    return write


def _signed(small: int, code: int, form: str) -> _Writer:
    short, wide = _fixed(small, "b"), _fixed(code, form)
    return lambda value: short(value) if -128 <= value < 128 else wide(value)


def _sized(short: int, wide: int, content: bytes) -> bytes:
    size = len(content)
    if size <= _LONGEST_SHORT:
        return bytes((short, size)) + content
    return bytes((wide,)) + _pack32(size) + content


def _compound(short: int, wide: int, count: int, content: bytes) -> bytes:
    if count <= _LONGEST_SHORT and len(content) < _LONGEST_SHORT:
        return bytes((short, len(content) + 1, count)) + content
    return bytes((wide,)) + _pack32(len(content) + 4) + _pack32(count) + content


def _map(value: dict[Any, Any]) -> bytes:
    content = b"".join([encode(key) + encode(item) for key, item in value.items()])
    return _compound(0xC1, 0xD1, 2 * len(value), content)


def _array(value: Array) -> bytes:
    writer = _ELEMENTS.get(value.code)
    if writer is None:
        raise TypeError(f"an array of constructor 0x{value.code:02x} cannot be written")
    described = b"" if value.descriptor is None else b"\x00" + encode(value.descriptor)
    content = described + bytes((value.code,)) + b"".join([writer(item) for item in value])
    return b"\xf0" + _pack32(len(content) + 4) + _pack32(len(value)) + content


def _wide(content: bytes) -> bytes:
    return _pack32(len(content)) + content


def _short(content: bytes) -> bytes:
    return bytes((len(content),)) + content


def _items(value: list[Any]) -> bytes:
    return b"".join([encode(item) for item in value])


def _pairs(value: dict[Any, Any]) -> bytes:
    return b"".join([encode(key) + encode(item) for key, item in value.items()])


_ELEMENTS: dict[int, _Writer] = {
    0x40: lambda _: b"",
    0x41: lambda _: b"",
    0x42: lambda _: b"",
    0x43: lambda _: b"",
    0x44: lambda _: b"",
    0x45: lambda _: b"",
    0x50: _packed("B"),
    0x51: _packed("b"),
    0x52: _packed("B"),
    0x53: _packed("B"),
    0x54: _packed("b"),
    0x55: _packed("b"),
    0x56: _packed("?"),
    0x60: _packed("H"),
    0x61: _packed("h"),
    0x70: _packed("I"),
    0x71: _packed("i"),
    0x72: _packed("f"),
    0x73: lambda value: _pack32(ord(value)),
    0x74: lambda value: bytes(value.content),
    0x80: _packed("Q"),
    0x81: _packed("q"),
    0x82: _packed("d"),
    0x83: _packed("q"),
    0x84: lambda value: bytes(value.content),
    0x94: lambda value: bytes(value.content),
    0x98: lambda value: bytes(value.bytes),
    0xA0: _short,
    0xA1: lambda value: _short(value.encode()),
    0xA3: lambda value: _short(value.encode("ascii")),
    0xB0: _wide,
    0xB1: lambda value: _wide(value.encode()),
    0xB3: lambda value: _wide(value.encode("ascii")),
    0xC0: lambda value: bytes((len(_items(value)) + 1, len(value))) + _items(value),
    0xC1: lambda value: bytes((len(_pairs(value)) + 1, 2 * len(value))) + _pairs(value),
    0xD0: lambda value: _pack32(len(_items(value)) + 4) + _pack32(len(value)) + _items(value),
    0xD1: lambda value: _pack32(len(_pairs(value)) + 4) + _pack32(2 * len(value)) + _pairs(value),
    0xF0: lambda value: _array(value)[1:],
}

_WRITERS: dict[type, _Writer] = {
    type(None): lambda _: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    int: _signed(0x55, 0x81, "q"),
    UByte: _fixed(0x50, "B"),
    UShort: _fixed(0x60, "H"),
    UInt: _unsigned(0x43, 0x52, 0x70, "I"),
    ULong: _unsigned(0x44, 0x53, 0x80, "Q"),
    Byte: _fixed(0x51, "b"),
    Short: _fixed(0x61, "h"),
    Int: _signed(0x54, 0x71, "i"),
    Stamp: _fixed(0x83, "q"),
    Float: _fixed(0x72, "f"),
    float: _fixed(0x82, "d"),
    Char: lambda value: b"\x73" + _pack32(ord(value)),
    Opaque: lambda value: bytes((value.code,)) + value.content,
    UUID: lambda value: b"\x98" + value.bytes,
    bytes: lambda value: _sized(0xA0, 0xB0, value),
    str: lambda value: _sized(0xA1, 0xB1, value.encode()),
    Symbol: lambda value: _sized(0xA3, 0xB3, value.encode("ascii")),
    list: lambda value: encode_list(value) if value else b"\x45",
    dict: _map,
    Array: _array,
    Described: lambda value: b"\x00" + encode(value.descriptor) + encode(value.value),
}
