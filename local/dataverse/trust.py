"""Tokens of another authority that this environment accepts, as a real one accepts Entra's.

Its keys are fetched from where Entra publishes them, and kept.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import jwt
from jwt.types import Options


class TrustedAuthority:
    """An authority at `url`; `ca_file` is the PEM bundle by which its certificate is verified."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        self._url = url.rstrip("/")
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        self._keys = jwt.PyJWKClient(f"{self._url}/common/discovery/v2.0/keys", ssl_context=context, timeout=10)

    def bearer(self, token: str, audience: str, now: datetime) -> tuple[datetime, str] | None:
        """Until when, and the client id that the token speaks for; None: it is forged, over, or for another service."""
        unchecked: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        root = audience.rstrip("/")
        try:
            key = self._keys.get_signing_key_from_jwt(token).key
            claims = jwt.decode(token, key, ["RS256"], options=unchecked, audience=[root, f"{root}/"])
        except (jwt.InvalidTokenError, jwt.PyJWKClientError):
            return None
        issued_here = str(claims.get("iss", "")).startswith(f"{self._url}/")
        alive = claims.get("nbf", 0) <= now.timestamp() < claims.get("exp", 0)
        until = datetime.fromtimestamp(claims.get("exp", 0), UTC)
        return (until, str(claims.get("appid", "")).lower()) if issued_here and alive else None
