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


RETRY, SHRINK, REJECT, CONFLICT = Reaction.RETRY, Reaction.SHRINK, Reaction.REJECT, Reaction.CONFLICT
RENEW, FAIL, ALL = Reaction.RENEW, Reaction.FAIL, Reaction.FAIL_WHEN_ALL
KNOWN = {
    RETRY: "80072321 80072322 80072326 80044150 80040255 80044339 80072324 8005f103 8004a001 80040216 80040224 "
    "80044172 80044173 80044174 80081116",
    SHRINK: "80044151 80044171 80081111",
    REJECT: "80040251 80040265 80040237 80060892 80040333 8006089d 80060891 80040217 80044331 8004432f 80044330 "
    "8004431a 8004431c 80040239 80050222 80040278 80040203 80040200 80048408 80040227",
    CONFLICT: "80060882",
    RENEW: "8004a101 80041d52 8005f101",
    FAIL: "80060890 80041140 8006088d 8006088a 80060888 80041103 80040220 80040256 80040299 8004f507 80072560 80040225 "
    "80044352 80072491",
    ALL: "80048d19 8004020d 80048306 80040231",
}
"""Every code that is documented or was observed, by what is done about it."""


@pytest.mark.parametrize(
    ("code", "reaction"), [(f"0x{code}", reaction) for reaction, codes in KNOWN.items() for code in codes.split()]
)
def test_every_known_code_has_its_reaction(code, reaction):
    """In hexadecimal and as the decimal number that .NET clients show; with a cause and a remedy in words."""
    entry = explain(code)
    assert entry is not None
    assert entry.reaction is reaction
    assert explain(str(int(code, 16) - 2**32)) is entry
    assert len(entry.cause) > 5
    assert len(entry.remedy) > 3


@pytest.mark.parametrize(
    ("status", "reaction"), [(413, SHRINK), (414, SHRINK), (501, FAIL), (412, CONFLICT), (401, RENEW), (403, ALL)]
)
def test_statuses_without_a_code(status, reaction):
    """What has no code is judged by its status."""
    assert reaction_to(Refusal(status, None, "", None)) is reaction
