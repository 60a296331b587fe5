"""A reply's body: unpacked in one piece, whatever its last bytes claim, and never beyond the limit."""

from __future__ import annotations

import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.reply import read_body
from shared.errors import DestinationError, UnavailableError

PACKED = {"content-encoding": "gzip"}
LIMIT = 100_000


class Raw(io.BytesIO):
    """A body as urllib3 hands it out."""

    def read(self, amt: int | None = None, decode_content: bool | None = None) -> bytes:
        """Up to `amt` bytes."""
        return super().read(amt)


def unpacked(packed: bytes, limit: int = LIMIT) -> bytes:
    """The body of a packed reply."""
    return read_body(Raw(packed), PACKED, limit_bytes=limit)


def told(packed: bytes, size: int) -> bytes:
    """The same bytes, which claim another size."""
    return packed[:-4] + size.to_bytes(4, "little")


@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=4))
def test_packed_pieces_arrive_as_one_body(pieces):
    """A body that was packed in several pieces, one after the other, is the pieces' content."""
    assert unpacked(b"".join(map(gzip.compress, pieces))) == b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, 9_999, 10_001, 2**32 - 1])
def test_a_false_size_is_found_out(size):
    """What claims to be smaller or larger than it is was damaged on its way, and is asked for again."""
    with pytest.raises(UnavailableError, match="unpacked"):
        unpacked(told(gzip.compress(b"x" * 10_000), size))


@pytest.mark.parametrize("size", [0, 10, 2**32 - 1])
def test_a_false_size_does_not_lift_the_limit(size):
    """However small a body claims to be, no more than the limit is unpacked."""
    with pytest.raises(DestinationError, match=f"larger than {LIMIT}"):
        unpacked(told(gzip.compress(b"x" * 50_000_000), size))


def test_the_limit_itself_is_allowed():
    """A body as long as the limit is taken, one byte more is not."""
    assert len(unpacked(gzip.compress(b"x" * LIMIT))) == LIMIT
    with pytest.raises(DestinationError):
        unpacked(gzip.compress(b"x" * (LIMIT + 1)))


@pytest.mark.parametrize("cut", [1, 5, 9, 20])
def test_a_cut_body_is_no_body(cut):
    """A packed body without its end is asked for again."""
    packed = gzip.compress(bytes(range(256)) * 20)
    with pytest.raises(UnavailableError, match="cut short"):
        unpacked(packed[:-cut])


def test_damage_inside_is_told():
    """A packed body with other bytes inside is asked for again."""
    packed = bytearray(gzip.compress(bytes(range(256)) * 20))
    packed[40] ^= 0xFF
    with pytest.raises(UnavailableError):
        unpacked(bytes(packed))
