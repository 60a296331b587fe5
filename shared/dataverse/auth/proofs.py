"""Applications and how they prove who they are: a client secret, or a certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class Proof(Protocol):
    """What an application shows the token endpoint."""

    def members(self, client_id: str, token_url: str, now: datetime) -> dict[str, str]:
        """The members of the token request that prove it.

        Raises:
            AuthenticationError: nothing can be made of the proof.
        """
        ...


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client secret."""

    value: str = field(repr=False)

    def members(self, client_id: str, token_url: str, now: datetime) -> dict[str, str]:
        """The secret itself."""
        return {"client_secret": self.value}


@dataclass(frozen=True, slots=True)
class Application:
    """One application user. `tenant_id` None: learned from the service."""

    tenant_id: str | None
    client_id: str
    proof: Proof
