"""Entra, the managed identity endpoint and Key Vault on one's own machine, for Microsoft's unmodified libraries.

with LocalIdentity() as azure:
    azure.vault.put("my-sync--client-secret", "…")
    os.environ.update(azure.environment)
"""

from __future__ import annotations

from local.identity.directory import Application, ClientSecret
from local.identity.faults import Fault
from local.identity.server import APP_ID, APP_SECRET, TENANT_ID, LocalIdentity
from local.identity.vault.rights import OFFICER, USER
from local.identity.vault.store import Vault

__all__ = [
    "APP_ID",
    "APP_SECRET",
    "OFFICER",
    "TENANT_ID",
    "USER",
    "Application",
    "ClientSecret",
    "Fault",
    "LocalIdentity",
    "Vault",
]
