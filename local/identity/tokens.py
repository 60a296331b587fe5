"""Access tokens: signed as Entra signs them, checked as a service checks them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from jwt.types import Options

KEY_ID = "local-identity"


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    """One for the process: making it is dear, and it guards nothing."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a token speaks for."""

    client_id: str
    tenant_id: str


class Issuer:
    """Gives out tokens that live `expires_in_s` seconds of `clock`, and knows them again."""

    def __init__(self, clock: Callable[[], datetime], expires_in_s: int) -> None:
        self.clock = clock
        self.expires_in_s = expires_in_s
        self._era = uuid.uuid4().hex

    def expire_all(self) -> None:
        """End every token at once."""
        self._era = uuid.uuid4().hex

    def issue(self, bearer: Bearer, resource: str, authority: str) -> str:
        """A token for the resource."""
        now = int(self.clock().timestamp())
        claims = {
            "aud": resource,
            "iss": f"{authority}/{bearer.tenant_id}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + self.expires_in_s,
            "appid": bearer.client_id,
            "azp": bearer.client_id,
            "tid": bearer.tenant_id,
            "uti": uuid.uuid4().hex,
            "era": self._era,
            "ver": "2.0",
        }
        return jwt.encode(claims, _signing_key(), algorithm="RS256", headers={"kid": KEY_ID})

    def bearer(self, authorization: str, resources: tuple[str, ...]) -> Bearer | None:
        """Who the `Authorization` header speaks for; None when its token is none, has ended or is for another."""
        kind, _, token = authorization.partition(" ")
        unchecked: Options = {
            "verify_exp": False,
            "verify_nbf": False,
            "verify_iat": False,
        }  # the clock is ours, not the wall's
        try:
            claims = jwt.decode(
                token.strip(), _signing_key().public_key(), ["RS256"], options=unchecked, audience=list(resources)
            )
        except jwt.InvalidTokenError:
            return None
        alive = claims["exp"] > self.clock().timestamp() and claims["era"] == self._era
        return Bearer(claims["appid"], claims["tid"]) if alive and kind.lower() == "bearer" else None


def key_set() -> dict[str, Any]:
    """The public keys, as the JWKS address gives them."""
    public = RSAAlgorithm.to_jwk(_signing_key().public_key(), as_dict=True)
    return {"keys": [{**public, "use": "sig", "alg": "RS256", "kid": KEY_ID}]}
