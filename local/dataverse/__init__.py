"""A Dataverse on your machine: the Web API (v9.x) over SQLite, with a token endpoint, faults, and a log of requests."""

from __future__ import annotations

from local.dataverse.application import LoggedRequest
from local.dataverse.faults import Fault, FaultKind
from local.dataverse.identity import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from local.dataverse.limits import Limits
from local.dataverse.server import LocalDataverse
from local.dataverse.settings import Registration, Settings

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "TENANT_ID",
    "Fault",
    "FaultKind",
    "Limits",
    "LocalDataverse",
    "LoggedRequest",
    "Registration",
    "Settings",
]
