"""What a token endpoint answers: a token with its life, or why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from shared.errors import AuthenticationError

RENEW_EARLY = timedelta(minutes=5)
_AADSTS = re.compile(r"AADSTS\d+")
_ADVICE = {
    "AADSTS7000215": "the client secret is wrong: use the secret's value, not its id",
    "AADSTS7000222": "the client secret has expired: make a new one and store it",
    "AADSTS700016": "the client id is not known in this tenant: check client id and tenant id",
    "AADSTS90002": "there is no such tenant: check the tenant id",
    "AADSTS900023": "the tenant id is not valid: give its GUID or domain",
    "AADSTS500011": "the service URL is not known in this tenant: check the service URL and the tenant id",
    "AADSTS50034": "the account does not exist in this tenant: check the tenant id",
    "AADSTS7000218": "a client secret is needed and none was sent",
    "AADSTS53003": "a conditional access policy blocks this application: ask the tenant's administrator",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, and when to fetch the next."""

    text: str = field(repr=False)
    renew_at: datetime


def read_token(status: int, body: bytes, asked_at: datetime, authority: str) -> Token:
    """Read the token endpoint's answer."""
    reply = _json_object(body)
    if status != 200:
        raise AuthenticationError(_refused(status, reply, authority))
    text, seconds = reply.get("access_token"), reply.get("expires_in")
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        raise AuthenticationError(f"{authority} answered without a token; check that it is an Entra authority")
    return Token(text, asked_at + lifetime(seconds))


def lifetime(seconds: object) -> timedelta:
    """How long a token is used: five minutes less than it lives, or half of a short life."""
    try:
        whole = timedelta(seconds=min(max(int(str(seconds)), 0), 86_400))
    except ValueError:
        whole = timedelta(minutes=10)
    return whole - RENEW_EARLY if whole > 2 * RENEW_EARLY else whole / 2


def _refused(status: int, reply: dict[str, object], authority: str) -> str:
    found = _AADSTS.search(str(reply.get("error_description", "")))
    code = found[0] if found else f"status {status}"
    advice = _ADVICE.get(code, "check tenant id, client id and client secret")
    trace = str(reply.get("trace_id", ""))[:64]
    return f"{authority} refused the credentials ({code}): {advice}" + (f" (trace {trace})" if trace else "")


def _json_object(body: bytes) -> dict[str, object]:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return reply if isinstance(reply, dict) else {}
