"""Every known code has a meaning and a reaction; every form of a refusal is understood."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.error_dictionary import Reaction, entries, explain, in_plain_words, reaction_to
from shared.dataverse.refusals import Refusal, normal_code, read_refusal


def test_entries_are_whole():
    """Codes are normal, no meaning stands twice, and what is retried says how often."""
    for entry in entries():
        assert not entry.code or re.fullmatch(r"0x[0-9a-f]{8}", entry.code)
        assert entry.cause and entry.remedy and entry.name
        assert (entry.attempts > 0) == (entry.reaction is Reaction.RETRY)
        assert entry.when == entry.when.lower()
    twice = Counter((entry.code, entry.when, entry.status) for entry in entries())
    assert max(twice.values()) == 1


def test_a_general_meaning_stands_last():
    """A meaning that needs a text is looked at before the one that needs none."""
    seen = set()
    for entry in entries():
        assert entry.code not in seen or not entry.code
        if not entry.when:
            seen.add(entry.code)


@given(st.integers(0x80000000, 0x8FFFFFFF))
def test_codes_in_any_form(number):
    """Hexadecimal, signed and unsigned decimal are one code."""
    forms = {f"0x{number:X}", f"0x{number:08x}", str(number), str(number - 2**32)}
    assert {normal_code(form) for form in forms} == {f"0x{number:08x}"}


@pytest.mark.parametrize("empty", ["", "0x0", "0", None, " "])
def test_empty_codes(empty):
    """What says nothing is no code."""
    assert normal_code(empty) is None
    assert explain(empty) is None


@pytest.mark.parametrize(
    ("status", "code", "message", "reaction"),
    [
        (500, "0x80044150", "Sql Number: 1205", Reaction.RETRY),
        (500, "-2147204784", "Sql Number: -2", Reaction.SHRINK),
        (500, "0x80044151", "SQL timeout expired", Reaction.SHRINK),
        (400, "0x80040216", "Message size exceeded when sending context to Sandbox", Reaction.SHRINK),
        (400, "-2147220970", "An unexpected error occurred.", Reaction.RETRY),
        (400, "0x80044331", "too long", Reaction.REJECT),
        (412, "0x80060882", "version", Reaction.CONFLICT),
        (403, "0x80040220", "prvCreate", Reaction.FAIL),
        (400, "0x80048d19", "An undeclared property 'x'", Reaction.FAIL_WHEN_ALL),
        (400, "0x0", "Invalid property 'Name' was found in entity", Reaction.FAIL_WHEN_ALL),
        (404, "", "Resource not found for the segment 'Account'.", Reaction.FAIL),
        (413, "", "", Reaction.SHRINK),
        (401, "", "", Reaction.RENEW),
        (400, "0x12345678", "never seen", Reaction.REJECT),
    ],
)
def test_reactions(status, code, message, reaction):
    """Code first, then text, then status; the unknown sets its row aside."""
    assert reaction_to(Refusal(status, normal_code(code), message, None)) is reaction


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"code":"0x80040203","message":"Bad"}}', "Bad"),
        (b'{"error":"invalid"}', "invalid"),
        (b'{"Message":"No HTTP resource was found"}', "No HTTP resource was found"),
        (b"<html><body>Sign in</body></html>", "web page"),
        (b"Bad gateway", "Bad gateway"),
        (b"", "without a reason"),
        (b'{"error":{"code":5}}', "gave no reason"),
        (b"[1]", "[1]"),
    ],
)
def test_bodies_of_all_kinds(body, message):
    """JSON, pages, plain text and nothing give a message; the request id is kept."""
    refusal = read_refusal(400, {"req_id": "r1"}, body)
    assert message in refusal.message
    assert refusal.request_id == "r1"


def test_plain_words():
    """A refusal is told with its cause and what to do."""
    words = in_plain_words(Refusal(400, "0x80044331", "The length of 'name'", "r1"))
    assert "longer than its column allows" in words
    assert "r1" in words
