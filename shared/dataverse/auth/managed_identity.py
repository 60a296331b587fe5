"""Tokens of the identity that Azure gives to the app itself: there is no secret at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.dataverse.auth.answers import Token, lifetime
from shared.dataverse.auth.caching import CachedTokens
from shared.dataverse.service_url import parse_service_url
from shared.errors import AuthenticationError, UnavailableError
from shared.ports import Clock

if TYPE_CHECKING:
    from azure.identity import ManagedIdentityCredential

_RETRIES = 3


class ManagedIdentityTokens(CachedTokens):
    """Tokens for one environment, from the platform's own endpoint.

    `client_id` names a user-assigned identity; None: the app's own.
    """

    def __init__(self, client_id: str | None, service_url: str, *, clock: Clock, retries: int = _RETRIES) -> None:
        super().__init__(clock)
        self._client_id, self._service = client_id, parse_service_url(service_url)
        self._retries = retries

    def __repr__(self) -> str:
        return f"ManagedIdentityTokens(for {self._service.origin})"

    def _fetch(self) -> Token:
        from azure.core import exceptions as azure

        try:
            with self._credential() as credential:  # a fresh one: it would give out its own cached token again
                found = credential.get_token(f"{self._service.origin}/.default")
        except azure.ClientAuthenticationError:
            raise AuthenticationError(self._refused()) from None
        except (azure.AzureError, ValueError):
            raise UnavailableError(
                f"the managed identity endpoint gave no token for {self._service.origin}; run again later"
            ) from None
        asked_at = self._clock()
        return Token(found.token, asked_at + lifetime(int(found.expires_on - asked_at.timestamp())))

    def _credential(self) -> ManagedIdentityCredential:
        from azure.identity import ManagedIdentityCredential

        return ManagedIdentityCredential(client_id=self._client_id, retry_total=self._retries)

    def _refused(self) -> str:
        which = "no managed identity with that client id" if self._client_id else "no managed identity"
        return (
            f"this machine has {which}, or its endpoint gave no token for {self._service.origin}; switch the identity "
            "on in Azure and add it to the environment as an application user. On your own machine sign in with a "
            "client_secret or a certificate"
        )
