"""Secrets from Azure Key Vault, through Microsoft's own libraries, kept for minutes. Thread-safe."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.errors import AuthenticationError
from shared.ports import Clock
from shared.secrets.names import checked_name
from shared.values.secrets import SecretState

if TYPE_CHECKING:
    from azure.keyvault.secrets import SecretClient, SecretProperties

KEEP_FOR = timedelta(minutes=5)
_RETRIES = 3


@dataclass(frozen=True, slots=True)
class _Kept:
    value: str = field(repr=False)
    until: datetime


class KeyVaultSecrets:
    """The secrets of one vault, read by the identity that Azure's default chain finds.

    `verify` is what requests takes. A value is asked for again after `keep_for`, or at once by `renew`. The newest
    version counts. Every method raises, naming vault and secret and never a value:

        AuthenticationError: the secret is not there, disabled or out of its time, or the identity may not read it.
        ThrottledError, UnavailableError: the vault asks to wait, or does not answer.
    """

    writable = True

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        verify: bool | str = True,
        keep_for: timedelta = KEEP_FOR,
        retries: int = _RETRIES,
    ) -> None:
        self._url, self._clock, self._verify = url.rstrip("/"), clock, verify
        self._keep_for, self._retries = keep_for, retries
        self._lock = threading.RLock()
        self._kept: dict[str, _Kept] = {}
        self._opened: SecretClient | None = None

    def __repr__(self) -> str:
        return f"KeyVaultSecrets({self._url!r})"

    @property
    def place(self) -> str:
        """The vault, for people."""
        return f"the key vault {self._url}"

    def get(self, name: str) -> str:
        """The value, at most `keep_for` old."""
        with self._lock:
            kept = self._kept.get(checked_name(name).lower())
            return kept.value if kept is not None and self._clock() < kept.until else self.renew(name)

    def renew(self, name: str) -> str:
        """The value as the vault has it now."""
        with self._lock:
            self._kept.pop(checked_name(name).lower(), None)
            with self._asking(name):
                found = self._client().get_secret(name)
            self._refuse_out_of_time(name, found.properties)
            if not found.value:
                raise AuthenticationError(f"secret {name!r} in {self.place} is empty; set it anew")
            return self._keep(name, found.value)

    def put(self, name: str, value: str) -> None:
        """Keep a value, as the newest version; the versions before stay."""
        with self._lock, self._asking(checked_name(name), writing=True):
            self._client().set_secret(name, value)
            self._keep(name, value)

    def states(self, names: Iterable[str]) -> Mapping[str, SecretState]:
        """What the vault holds, and of these names those that it does not."""
        with self._lock, self._asking(None):
            found = {str(one.name).lower(): self._state(one) for one in self._client().list_properties_of_secrets()}
        return {**{name.lower(): SecretState.MISSING for name in names}, **found}

    def _keep(self, name: str, value: str) -> str:
        self._kept[name.lower()] = _Kept(value, self._clock() + self._keep_for)
        return value

    def _client(self) -> SecretClient:
        """Opened at first use: the libraries are dear to start, and whoever needs no secret needs no identity."""
        if self._opened is None:
            from shared.secrets.vault_client import open_client

            self._opened = open_client(self._url, verify=self._verify, retries=self._retries)
        return self._opened

    @contextmanager
    def _asking(self, name: str | None, *, writing: bool = False) -> Iterator[None]:
        """The libraries' errors in our words; nothing of theirs is chained, for it may quote what was sent."""
        from azure.core.exceptions import AzureError

        from shared.secrets.vault_client import Asked, explained

        try:
            yield
        except (AzureError, ValueError) as error:
            raise explained(error, Asked(self._url, name, writing)) from None

    def _state(self, found: SecretProperties) -> SecretState:
        now = self._clock()
        if not found.enabled:
            return SecretState.DISABLED
        if found.expires_on is not None and found.expires_on <= now:
            return SecretState.EXPIRED
        if found.not_before is not None and found.not_before > now:
            return SecretState.NOT_YET
        return SecretState.SET

    def _refuse_out_of_time(self, name: str, found: SecretProperties) -> None:
        """Key Vault gives out an expired secret as any other; who set the date wanted it not to be used."""
        state = self._state(found)
        if state is SecretState.EXPIRED:
            raise AuthenticationError(
                f"secret {name!r} in {self.place} expired on {found.expires_on:%Y-%m-%d %H:%M} UTC; set a new version"
            )
        if state is SecretState.NOT_YET:
            raise AuthenticationError(
                f"secret {name!r} in {self.place} is not valid before {found.not_before:%Y-%m-%d %H:%M} UTC"
            )
