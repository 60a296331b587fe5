"""What Python has no type for: AMQP's narrower numbers, symbols, timestamps, arrays and described values.

Plain `int` is AMQP's long, `float` its double, `str` its string, `bytes` its binary.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


class Symbol(str):
    """A name from a constrained domain; ASCII."""

    __slots__ = ()


class Char(str):
    """One Unicode character."""

    __slots__ = ()


class UByte(int):
    """0 to 255."""

    __slots__ = ()


class UShort(int):
    """0 to 65,535."""

    __slots__ = ()


class UInt(int):
    """0 to 2^32 - 1."""

    __slots__ = ()


class ULong(int):
    """0 to 2^64 - 1."""

    __slots__ = ()


class Byte(int):
    """-128 to 127."""

    __slots__ = ()


class Short(int):
    """-32,768 to 32,767."""

    __slots__ = ()


class Int(int):
    """-2^31 to 2^31 - 1."""

    __slots__ = ()


class Stamp(int):
    """A point in time: milliseconds since 1970, UTC."""

    __slots__ = ()


class Float(float):
    """Single precision."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Opaque:
    """A value that nobody here reads (the decimals): its constructor and its bytes."""

    code: int
    content: bytes


class Array(list[Any]):
    """Values of one type; `code` is the constructor that all share, `descriptor` what describes each, if anything."""

    def __init__(self, code: int, items: Iterable[Any] = (), descriptor: Any = None) -> None:
        super().__init__(items)
        self.code = code
        self.descriptor = descriptor

    def __eq__(self, other: object) -> bool:
        same = isinstance(other, Array) and (self.code, self.descriptor) == (other.code, other.descriptor)
        return same and list.__eq__(self, other)

    __hash__ = None  # as any list


class Described:
    """A value with a descriptor that says what it means."""

    __slots__ = ("descriptor", "value")

    def __init__(self, descriptor: Any, value: Any) -> None:
        self.descriptor = descriptor
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Described) and (self.descriptor, self.value) == (other.descriptor, other.value)

    def __hash__(self) -> int:
        return hash((self.descriptor, self.value))

    def __repr__(self) -> str:
        return f"Described({self.descriptor!r}, {self.value!r})"
