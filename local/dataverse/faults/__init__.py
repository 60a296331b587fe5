"""Faults that are put in a request's way: refusals, cut connections, slow or spoiled answers, missing rights."""

from __future__ import annotations

from local.dataverse.faults.asked import Asked
from local.dataverse.faults.kinds import Fault, FaultKind
from local.dataverse.faults.queue import Faults
from local.dataverse.faults.weather import ROUGH

__all__ = ["ROUGH", "Asked", "Fault", "FaultKind", "Faults"]
