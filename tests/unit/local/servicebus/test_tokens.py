"""Who may come in."""

from __future__ import annotations

import base64
import hashlib
import hmac
from urllib.parse import quote

import pytest

from local.servicebus.tokens import Doorkeeper

NOW_MS = 1_900_000_000_000
KEEPER = Doorkeeper({"name": "key"})


def signature(name: str = "name", key: str = "key", ends: str = "1900000001", said: str | None = None) -> str:
    address = quote("sb://host/q", safe="")
    signed = hmac.new(key.encode(), f"{address}\n{said or ends}".encode(), hashlib.sha256).digest()
    mark = quote(base64.b64encode(signed).decode(), safe="")
    return f"SharedAccessSignature sr={address}&sig={mark}&se={ends}&skn={name}"


def test_a_good_signature_opens() -> None:
    """The right key, in time."""
    assert KEEPER.refused(signature(), NOW_MS) is None


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (signature(key="other"), "invalid signature"),
        (signature(name="nobody"), "name is not known"),
        (signature(ends="1900000000"), "expired"),
        (signature(ends="x"), "expired"),
        (signature(ends="1900000009", said="1900000001"), "invalid signature"),
        ("SharedAccessSignature ", "name is not known"),
        ("SharedAccessSignature &&==%%&", "name is not known"),
        ("", "no token"),
        (None, "no token"),
        (7, "no token"),
    ],
)
def test_anything_else_does_not(token: object, why: str) -> None:
    """Wrong key, unknown name, too late, changed, or no token at all."""
    refusal = KEEPER.refused(token, NOW_MS)
    assert refusal is not None
    assert why in refusal.text
    assert refusal.status == 401


def test_other_tokens_are_somebody_elses_to_judge() -> None:
    """They pass where nobody was named, else as that one says."""
    assert KEEPER.refused("ey.j.wt", NOW_MS) is None
    judged = Doorkeeper({}, lambda token: f"{len(token)} letters")
    refusal = judged.refused("ey.j.wt", NOW_MS)
    assert refusal is not None
    assert refusal.text == "7 letters"


@pytest.mark.parametrize(
    ("response", "good"),
    [(b"\0name\0key", True), (b"\0name\0kex", False), (b"\0no\0key", False), (b"", False), (b"\0\xff\0key", False)],
)
def test_plain_wants_the_key_itself(response: bytes, good: bool) -> None:
    """The key's name and the key."""
    assert KEEPER.plain(response) is good
