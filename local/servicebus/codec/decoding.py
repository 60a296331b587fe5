"""Bytes to values. Whatever the bytes are, the answer is a value or `CodecError`.

A length that reaches beyond the end is an error, nesting and the elements of empty width are limited: a few bytes
never grow into much memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
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

_DEEPEST = 32
_MOST_OF_NO_WIDTH = 1024
"""Elements without bytes of their own (true, empty lists, nulls) that one array may hold."""

_Reader = Callable[[bytes, int, int], tuple[Any, int]]
"""Bytes, the position behind the constructor, the depth → the value and the position behind it."""

_u32 = struct.Struct(">I").unpack_from


class CodecError(ValueError):
    """The bytes are no AMQP value; the message says what is wrong."""


def decode(raw: bytes, at: int = 0) -> tuple[Any, int]:
    """One value and the position behind it.

    Raises:
        CodecError: there is no whole value at this place.
    """
    try:
        return _value(raw, at, 0)
    except (IndexError, struct.error):
        raise CodecError(f"a value ends beyond the {len(raw)} bytes that came") from None
    except UnicodeDecodeError:
        raise CodecError("a text is not UTF-8, or a symbol not ASCII") from None
    except TypeError:
        raise CodecError("a map's key is a list, a map or an array; keys must be simple values") from None


def decode_all(raw: bytes) -> list[Any]:
    """Every value, one behind the other.

    Raises:
        CodecError: the bytes do not end with a value.
    """
    at, found = 0, []
    while at < len(raw):
        value, at = decode(raw, at)
        found.append(value)
    return found


def _value(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    code = raw[at]
    if code == 0:
        return _described(raw, at + 1, depth + 1)
    reader = _READERS.get(code)
    if reader is None:
        raise CodecError(f"constructor 0x{code:02x} is none of AMQP's")
    return reader(raw, at + 1, depth)


def _described(raw: bytes, at: int, depth: int) -> tuple[Any, int]:
    _check_depth(depth)
    descriptor, at = _value(raw, at, depth)
    value, at = _value(raw, at, depth)
    return Described(descriptor, value), at


def _check_depth(depth: int) -> None:
    if depth > _DEEPEST:
        raise CodecError(f"values are nested more than {_DEEPEST} deep")


def _fixed(form: str, kind: Callable[[Any], Any]) -> _Reader:
    one = struct.Struct(">" + form)

    def read(raw: bytes, at: int, _depth: int) -> tuple[Any, int]:
        return kind(one.unpack_from(raw, at)[0]), at + one.size

    return read


def _constant(make: Callable[[], Any]) -> _Reader:
    return lambda _raw, at, _depth: (make(), at)


def _piece(raw: bytes, at: int, size: int) -> tuple[bytes, int]:
    end = at + size
    if end > len(raw):
        raise CodecError(f"a value of {size} bytes is announced where {len(raw) - at} are left")
    return raw[at:end], end


def _sized(wide: bool, kind: Callable[[bytes], Any]) -> _Reader:
    if wide:
        return lambda raw, at, _depth: _as(kind, _piece(raw, at + 4, _u32(raw, at)[0]))
    return lambda raw, at, _depth: _as(kind, _piece(raw, at + 1, raw[at]))


def _as(kind: Callable[[bytes], Any], piece: tuple[bytes, int]) -> tuple[Any, int]:
    return kind(piece[0]), piece[1]


def _opaque(code: int, size: int) -> _Reader:
    return lambda raw, at, _depth: _as(lambda content: Opaque(code, content), _piece(raw, at, size))


def _span(raw: bytes, at: int, wide: bool) -> tuple[int, int, int]:
    """Where the items begin, where they end, and how many there are."""
    size, count, start = (_u32(raw, at)[0], _u32(raw, at + 4)[0], at + 8) if wide else (raw[at], raw[at + 1], at + 2)
    end = at + (4 if wide else 1) + size
    if end > len(raw) or end < start:
        raise CodecError(f"a list, map or array of {size} bytes is announced where {len(raw) - at} are left")
    return start, end, count


def _list(wide: bool) -> _Reader:
    def read(raw: bytes, at: int, depth: int) -> tuple[list[Any], int]:
        _check_depth(depth + 1)
        at, end, count = _span(raw, at, wide)
        if count > end - at:
            raise CodecError(f"{count} items are announced in {end - at} bytes")
        items = []
        for _ in range(count):
            value, at = _value(raw, at, depth + 1)
            items.append(value)
        return items, _ended(at, end)

    return read


def _ended(at: int, end: int) -> int:
    if at != end:
        raise CodecError(f"a list, map or array ends {abs(at - end)} bytes from where it said")
    return end


def _map(wide: bool) -> _Reader:
    read_list = _list(wide)

    def read(raw: bytes, at: int, depth: int) -> tuple[dict[Any, Any], int]:
        items, end = read_list(raw, at, depth)
        if len(items) % 2:
            raise CodecError(f"a map of {len(items)} items lacks its last value")
        return dict(zip(items[::2], items[1::2], strict=True)), end

    return read


def _array(wide: bool) -> _Reader:
    def read(raw: bytes, at: int, depth: int) -> tuple[Array, int]:
        _check_depth(depth + 1)
        at, end, count = _span(raw, at, wide)
        descriptor = None
        if raw[at] == 0:
            descriptor, at = _value(raw, at + 1, depth + 1)
        code, at = raw[at], at + 1
        if count > max(end - at, _MOST_OF_NO_WIDTH) or code not in _READERS:
            raise CodecError(f"an array of {count} items of constructor 0x{code:02x} in {end - at} bytes")
        items = []
        for _ in range(count):
            value, at = _READERS[code](raw, at, depth + 1)
            items.append(value)
        return Array(code, items, descriptor), _ended(at, end)

    return read


def _truth(raw: bytes, at: int, _depth: int) -> tuple[bool, int]:
    return raw[at] == 1, at + 1


def _uuid(raw: bytes, at: int, _depth: int) -> tuple[UUID, int]:
    content, end = _piece(raw, at, 16)
    return UUID(bytes=content), end


def _char(raw: bytes, at: int, _depth: int) -> tuple[Char, int]:
    number = _u32(raw, at)[0]
    if number > 0x10FFFF:
        raise CodecError(f"{number} is no Unicode character")
    return Char(chr(number)), at + 4


def _text(content: bytes) -> str:
    return content.decode("utf-8")


def _symbol(content: bytes) -> Symbol:
    return Symbol(content.decode("ascii"))


_READERS: dict[int, _Reader] = {
    0x40: _constant(lambda: None),
    0x41: _constant(lambda: True),
    0x42: _constant(lambda: False),
    0x43: _constant(lambda: UInt(0)),
    0x44: _constant(lambda: ULong(0)),
    0x45: _constant(list),
    0x50: _fixed("B", UByte),
    0x51: _fixed("b", Byte),
    0x52: _fixed("B", UInt),
    0x53: _fixed("B", ULong),
    0x54: _fixed("b", Int),
    0x55: _fixed("b", int),
    0x56: _truth,
    0x60: _fixed("H", UShort),
    0x61: _fixed("h", Short),
    0x70: _fixed("I", UInt),
    0x71: _fixed("i", Int),
    0x72: _fixed("f", Float),
    0x73: _char,
    0x74: _opaque(0x74, 4),
    0x80: _fixed("Q", ULong),
    0x81: _fixed("q", int),
    0x82: _fixed("d", float),
    0x83: _fixed("q", Stamp),
    0x84: _opaque(0x84, 8),
    0x94: _opaque(0x94, 16),
    0x98: _uuid,
    0xA0: _sized(False, bytes),
    0xA1: _sized(False, _text),
    0xA3: _sized(False, _symbol),
    0xB0: _sized(True, bytes),
    0xB1: _sized(True, _text),
    0xB3: _sized(True, _symbol),
    0xC0: _list(False),
    0xC1: _map(False),
    0xD0: _list(True),
    0xD1: _map(True),
    0xE0: _array(False),
    0xF0: _array(True),
}
