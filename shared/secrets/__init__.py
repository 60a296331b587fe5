"""Secrets by name: from a Key Vault, or from the environment. Values are never shown, logged or written to a file."""

from __future__ import annotations

from shared.secrets.environment import EnvironmentSecrets
from shared.secrets.key_vault import KeyVaultSecrets
from shared.secrets.names import checked_name, variable_for

__all__ = ["EnvironmentSecrets", "KeyVaultSecrets", "checked_name", "variable_for"]
