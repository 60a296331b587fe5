"""Signing in with a certificate: the assertion is read and its claims are checked.

The signature is not: the stand-in knows no certificates, and what it guards is nothing.
Source: Microsoft Learn, "Microsoft identity platform application authentication certificate credentials".
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

import orjson

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Problem = tuple[int, str, int, str]


def problem(form: dict[str, str], client_id: str, tenant: str, now: datetime) -> Problem | None:
    """Status, OAuth error, number and text of what is wrong with an assertion; None when nothing is."""
    if form.get("client_assertion_type") != TYPE:
        return (400, "invalid_request", 900144, f"The request body must contain 'client_assertion_type' = '{TYPE}'.")
    parts = form["client_assertion"].split(".")
    header, claims = (_object(part) for part in parts[:2]) if len(parts) == 3 else (None, None)
    if header is None or claims is None or not parts[2] or header.get("alg") not in ("RS256", "PS256"):
        return (401, "invalid_client", 50027, "JWT token is invalid or malformed.")
    if {str(claims.get("iss")).lower(), str(claims.get("sub")).lower()} != {client_id}:
        return (401, "invalid_client", 700021, "Client assertion application identifier doesn't match 'client_id'.")
    if f"/{tenant}/" not in str(claims.get("aud")):
        return (401, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
    until = claims.get("exp")
    if not isinstance(until, int | float) or until <= now.timestamp():
        return (401, "invalid_client", 700024, "Client assertion is not within its valid time range.")
    return None


def _object(part: str) -> dict[str, Any] | None:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return None
    return found if isinstance(found, dict) else None
