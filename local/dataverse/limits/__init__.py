"""The service's limits: virtual web servers, service-protection limits per user and server, and simulated time."""

from __future__ import annotations

from local.dataverse.limits.entitlement import Entitlement
from local.dataverse.limits.gate import Gate, Gauge, Visit
from local.dataverse.limits.settings import Limits

__all__ = ["Entitlement", "Gate", "Gauge", "Limits", "Visit"]
