"""Queues in Azure Service Bus: send, look at dead letters, put them back. Receiving is the trigger's work."""

from __future__ import annotations

from shared.bus.address import BusAddress, connect
from shared.bus.queues import ServiceBus

__all__ = ["BusAddress", "ServiceBus", "connect"]
