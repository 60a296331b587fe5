"""Signing in with a certificate: claims, thumbprint, and the signature itself.

Source: Microsoft Learn, "Microsoft identity platform application authentication certificate credentials".
"""

from __future__ import annotations

from datetime import datetime

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.types import Options

from local.dataverse import assertions as claims
from local.identity.directory import Application

Problem = tuple[int, str, int, str]
"""Status, OAuth error, number and text of a refused token request."""


def problem(form: dict[str, str], application: Application, tenant: str, now: datetime) -> Problem | None:
    """What is wrong with an assertion; None when nothing is."""
    return claims.problem(form, application.client_id.lower(), tenant, now) or _forged(form, application, now)


def _forged(form: dict[str, str], application: Application, now: datetime) -> Problem | None:
    text = form["client_assertion"]
    try:
        header = jwt.get_unverified_header(text)
    except jwt.InvalidTokenError:
        return (401, "invalid_client", 50027, "JWT token is invalid or malformed.")
    named = {name: str(value).rstrip("=") for name, value in header.items()}
    certificate = application.certificate(named)
    key = certificate.public_key() if certificate is not None else None
    if certificate is None or not isinstance(key, rsa.RSAPublicKey):
        return (
            401, "invalid_client", 700027,
            "The certificate with identifier used to sign the client assertion is not registered on application.",
        )  # fmt: skip
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        return (401, "invalid_client", 1000502, "The provided certificate is not within its specified validity period.")
    unchecked: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
    try:
        jwt.decode(text, key, ["RS256", "PS256"], options=unchecked)
    except jwt.InvalidTokenError:
        return (401, "invalid_client", 700027, "Client assertion failed signature validation.")
    return None
