"""A running vault and the product's way to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from local.identity import LocalIdentity
from shared.secrets import KeyVaultSecrets


class Time:
    """The wall's clock, with an offset."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def pass_by(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def azure(time: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIdentity]:
    """Stand-ins; this process is the machine whose identity may read secrets."""
    with LocalIdentity(clock=time) as running:
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        running.vault.put("my-sync--secret", "marked-1")
        yield running


@pytest.fixture
def vault(azure: LocalIdentity, time: Time) -> Callable[..., KeyVaultSecrets]:
    """Makes homes of secrets in that vault."""

    def make(url: str = azure.vault_url, retries: int = 0) -> KeyVaultSecrets:
        return KeyVaultSecrets(url, clock=time, verify=str(azure.ca_file), retries=retries)

    return make
