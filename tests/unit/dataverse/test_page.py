"""A page's rows are cut out exactly, whatever its texts hold and wherever its next link stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.page import read_page
from shared.errors import DestinationError, UnavailableError

NASTY = st.text(alphabet=st.sampled_from(list('[]{}",:\\value@odata.nxLik é\n')), max_size=30)
CELLS = st.one_of(NASTY, st.none(), st.booleans(), st.integers(-9, 9), st.lists(NASTY, max_size=2))
ROWS = st.lists(st.dictionaries(NASTY, CELLS, max_size=4), max_size=5)
AROUND = st.dictionaries(NASTY.filter(lambda name: name not in ("value", "error")), CELLS, max_size=3)


@given(rows=ROWS, before=AROUND, after=AROUND, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_rows_are_exact(rows, before, after, indent, ascii_only):
    """The slice is the array, byte for byte, and the link is found on either side."""
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    members = [f"{json.dumps(name)}: {json.dumps(cell)}" for name, cell in before.items()]
    members.append(f'"value" : {text}')
    members += [f"{json.dumps(name)}:{json.dumps(cell)}" for name, cell in after.items()]
    members.append('"@odata.nextLink":"https://x/[1]?a=\\"]"')
    page = read_page(("{" + " , ".join(members) + "}").encode())
    assert page.rows == text.encode()
    assert page.next_link == 'https://x/[1]?a="]'


def test_link_before_rows():
    """The next link may stand first."""
    page = read_page(b'{"@odata.context":"a]","@odata.nextLink":"n","value":[{"a":"\\"value\\":["}]}')
    assert page.next_link == "n"
    assert page.rows == b'[{"a":"\\"value\\":["}]'


def test_empty_page():
    """An empty array is given as it is, and no link is none."""
    assert read_page(b'\xef\xbb\xbf{"value":[]}') == read_page(b'{"value":[]}')
    assert read_page(b'{"value":[]}').next_link is None


@given(rows=ROWS, after=AROUND, cut=st.integers(1, 400))
def test_cut_short(rows, after, cut):
    """Wherever a page is cut, it is not taken for a page."""
    tail = "".join(f",{json.dumps(name)}:{json.dumps(cell)}" for name, cell in after.items())
    body = f'{{"@odata.context":"x","value":{json.dumps(rows)}{tail}}}'.encode()
    with pytest.raises((UnavailableError, DestinationError)):
        read_page(body[: max(len(body) - cut, 0)])


@pytest.mark.parametrize("body", [b'{"value":[{"a":"]}', b'{"value":[{"a":[1]}', b'{"value":[{"a":"x]"},{"b":2}}'])
def test_a_bracket_of_a_row_does_not_end_the_rows(body):
    """A cut whose last bracket belongs to a row looks whole from outside, and is refused all the same."""
    with pytest.raises(UnavailableError):
        read_page(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"code":"0x0","message":"Resource not found"}}',
        b'{"value":null}',
        b'{"value":{"a":[]}}',
        b'[{"value":[]}]',
        b'{"x":{"value":[]}}',
        b'{"value":[],"error":{"message":"stopped"}}',
    ],
)
def test_no_rows(body):
    """An error object, or anything without rows, is refused and not taken for an empty page."""
    with pytest.raises(DestinationError):
        read_page(body)
