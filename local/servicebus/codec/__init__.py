"""AMQP 1.0's type system: values to bytes and back, without loss, and never more memory than the bytes deserve.

Source: OASIS AMQP Version 1.0, Part 1: Types (2012-10-29).
"""

from __future__ import annotations

from local.servicebus.codec.decoding import CodecError, decode, decode_all
from local.servicebus.codec.encoding import encode, encode_list
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

__all__ = [
    "Array",
    "Byte",
    "Char",
    "CodecError",
    "Described",
    "Float",
    "Int",
    "Opaque",
    "Short",
    "Stamp",
    "Symbol",
    "UByte",
    "UInt",
    "ULong",
    "UShort",
    "decode",
    "decode_all",
    "encode",
    "encode_list",
]
