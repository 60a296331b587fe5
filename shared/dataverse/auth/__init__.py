"""Tokens: who we are towards Dataverse."""

from __future__ import annotations

from typing import Protocol

from shared.dataverse.auth.authority import DEFAULT_AUTHORITY
from shared.dataverse.auth.certificate import Certificate
from shared.dataverse.auth.entra import ClientSecretTokens, EntraTokens, ReadApplication
from shared.dataverse.auth.managed_identity import ManagedIdentityTokens
from shared.dataverse.auth.proofs import Application, ClientSecret

__all__ = [
    "DEFAULT_AUTHORITY",
    "Application",
    "Certificate",
    "ClientSecret",
    "ClientSecretTokens",
    "EntraTokens",
    "ManagedIdentityTokens",
    "ReadApplication",
    "TokenSource",
]


class TokenSource(Protocol):
    """Gives bearer tokens."""

    def token(self) -> str:
        """A token that is valid for some minutes at least."""
        ...

    def renew(self) -> str:
        """A new token, because the service refused the last one."""
        ...
