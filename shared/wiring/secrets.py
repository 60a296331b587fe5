"""Chooses where secrets come from."""

from __future__ import annotations

from collections.abc import Mapping

from shared.ports import SecretHome
from shared.secrets import EnvironmentSecrets, KeyVaultSecrets
from shared.wiring.connections import utc_now
from shared.wiring.settings import Settings


def open_secrets(settings: Settings, environ: Mapping[str, str], *, verify: bool | str) -> SecretHome:
    """The key vault that the settings name, else the environment. `verify` is what requests takes."""
    if settings.key_vault_url is None:
        return EnvironmentSecrets(environ)
    return KeyVaultSecrets(settings.key_vault_url, clock=utc_now, verify=verify)
