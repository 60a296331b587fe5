"""A message's sections."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.servicebus.codec import Array, CodecError, Symbol, UInt
from local.servicebus.message import Message, section

BODY = section(0x75, b"body") + section(0x75, b"more")


def test_what_the_sender_wrote_goes_through_byte_by_byte() -> None:
    """Properties, application properties and body are not written anew."""
    bare = section(0x73, ["id", None]) + section(0x74, {"n": Array(0x81, [1])}) + BODY
    message = Message(section(0x70, [True, None, UInt(5000)]) + section(0x72, {Symbol("a"): 1}) + bare)
    assert (message.ttl_ms, message.message_id, message.session_id) == (5000, "id", None)
    assert message.written(3, {}).endswith(bare)
    again = Message(message.written(3, {Symbol("b"): 2}))
    assert (again.header, again.annotations) == ([True, None, 5000, None, 3], {"b": 2})
    assert again.parts() == [b"body", b"more"]


names = st.text(max_size=4)


held_values = st.one_of(st.integers(0, 9), st.floats(allow_nan=False), st.text(max_size=300))


@given(st.dictionaries(names, held_values), st.dictionaries(names, st.text(max_size=300), min_size=1))
def test_properties_are_added_to_the_others(held: dict[str, object], added: dict[str, str]) -> None:
    """What is added counts; what was there stays, and so does the body, here and in what a store keeps."""
    message = Message(section(0x74, held) + BODY)
    message.add_properties(added)
    for each in (message, Message(message.raw), Message(message.written(0, {}))):
        assert each.application() == held | added
        assert each.parts() == [b"body", b"more"]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x40", "lacks its descriptor"),
        (b"\x00\x53\x99\x45", "describes no section"),
        (section(0x72, []), "is a list"),
        (section(0x73, [None] * 10 + [7]), "session id is no text"),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes, why: str) -> None:
    """Sections have descriptors and types."""
    with pytest.raises(CodecError, match=why):
        Message(raw)


def test_a_batch_has_parts() -> None:
    """A value is no batch."""
    with pytest.raises(CodecError, match="holds no messages"):
        Message(b"\x00\x53\x77\x40").parts()
