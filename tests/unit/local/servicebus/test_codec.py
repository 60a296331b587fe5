"""AMQP values: a round trip without loss, and arbitrary bytes that never do harm."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.servicebus.codec import (
    Array,
    Byte,
    Char,
    CodecError,
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
    decode,
    decode_all,
    encode,
    encode_list,
)


def whole(kind: type, bits: int, *, signed: bool) -> st.SearchStrategy[Any]:
    low = -(2 ** (bits - 1)) if signed else 0
    return st.integers(low, 2**bits + low - 1).map(kind)


names = st.text(st.characters(max_codepoint=127), max_size=300).map(Symbol)
simple = st.one_of(
    st.none(),
    st.booleans(),
    whole(UByte, 8, signed=False),
    whole(UShort, 16, signed=False),
    whole(UInt, 32, signed=False),
    whole(ULong, 64, signed=False),
    whole(Byte, 8, signed=True),
    whole(Short, 16, signed=True),
    whole(Int, 32, signed=True),
    whole(int, 64, signed=True),
    whole(Stamp, 64, signed=True),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False, width=32).map(Float),
    st.characters(exclude_categories=["Cs"]).map(Char),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300),
    st.binary(max_size=300),
    names,
    st.uuids(),
    st.binary(min_size=8, max_size=8).map(lambda raw: Opaque(0x84, raw)),
)
arrays = st.one_of(
    st.lists(whole(int, 64, signed=True), max_size=300).map(lambda items: Array(0x81, items)),
    st.lists(names, max_size=20).map(lambda items: Array(0xB3, items)),
    st.lists(st.uuids(), max_size=20).map(lambda items: Array(0x98, items)),
    st.lists(st.lists(simple, max_size=3), max_size=5).map(lambda items: Array(0xD0, items, Symbol("d"))),
)
values = st.recursive(
    st.one_of(simple, arrays),
    lambda inner: st.one_of(
        st.lists(inner, max_size=300),
        st.dictionaries(st.text(max_size=5), inner, max_size=5),
        st.tuples(whole(ULong, 64, signed=False), inner).map(lambda pair: Described(*pair)),
    ),
    max_leaves=20,
)


def alike(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(map(alike, one.values(), other.values()))
    if isinstance(one, Described):
        return alike(one.descriptor, other.descriptor) and alike(one.value, other.value)
    return bool(one == other)


@given(values)
def test_what_is_written_is_read(value: Any) -> None:
    """Every value comes back with its type, and nothing is left over."""
    raw = encode(value)
    found, end = decode(raw)
    assert end == len(raw)
    assert alike(found, value)


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_are_a_value_or_an_error(raw: bytes) -> None:
    """Nothing but `CodecError` ever comes of bytes that are no value."""
    try:
        found = decode_all(raw)
    except CodecError:
        return
    assert weight(found) <= 200 * len(raw) + 2048


@given(values, st.data())
def test_damaged_values_are_a_value_or_an_error(value: Any, data: st.DataObject) -> None:
    """The same for values with bytes changed, cut or doubled."""
    raw = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        if not raw:
            return
    try:
        found, _ = decode(bytes(raw))
    except CodecError:
        return
    assert weight(found) <= 200 * len(raw) + 2048


def weight(value: Any) -> int:
    """Values inside a value."""
    if isinstance(value, list):
        return 1 + sum(map(weight, value))
    if isinstance(value, dict):
        return 1 + sum(map(weight, value.values()))
    return 1 + weight(value.value) if isinstance(value, Described) else 1


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x41", "4294967295 items"),
        (b"\xd0\x00\x00\x00\x04\xff\xff\xff\xff", "4294967295 items"),
        (b"\xb0\xff\xff\xff\xffabc", "4294967295 bytes"),
        (b"\xa1\x05abc", "5 bytes is announced where 3 are left"),
        (b"\xc0\x03\x01\x40\x40", "ends 1 bytes"),
        (b"\x00" * 100, "nested more than 32"),
        (b"\xc1\x02\x01\x40", "lacks its last value"),
        (b"\xc1\x03\x02\x45\x40", "keys must be simple"),
        (b"\xa1\x01\xff", "not UTF-8"),
        (b"\xa3\x01\xff", "ASCII"),
        (b"\x73\x00\x11\x00\x00", "no Unicode character"),
        (b"\x3f", "none of AMQP's"),
        (b"", "ends beyond the 0 bytes"),
        (b"\x80\x00", "ends beyond the 2 bytes"),
    ],
)
def test_bombs_and_lies_are_refused(raw: bytes, what: str) -> None:
    """A few bytes that promise much are an error before anything is made of them."""
    with pytest.raises(CodecError, match=what):
        decode(raw)


@pytest.mark.parametrize("value", [UByte(256), UInt(-1), 2**63, Stamp(2**63), Short(40000)])
def test_numbers_out_of_range_are_refused(value: int) -> None:
    """What its type cannot hold is not written."""
    with pytest.raises(ValueError, match="out of its type's range"):
        encode(value)


def test_what_has_no_type_is_refused() -> None:
    """There is no AMQP type for a set."""
    with pytest.raises(TypeError, match="set has no AMQP type"):
        encode({1})


def test_not_a_number_stays_so() -> None:
    """NaN survives, which equality cannot tell."""
    assert math.isnan(decode(encode(math.nan))[0])


def test_lists_keep_their_nulls() -> None:
    """Nulls at the end of a performative are written: older SDKs look for them."""
    assert encode_list([None, None]) == b"\xc0\x03\x02\x40\x40"
