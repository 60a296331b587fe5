"""A Service Bus namespace on your own machine: queues over AMQP 1.0, for the unmodified SDKs."""

from __future__ import annotations

from local.listening import CannotListenError
from local.servicebus.faults import Fault
from local.servicebus.queues.browsing import Counters
from local.servicebus.refusals import DocumentError
from local.servicebus.server import Entry, LocalServiceBus
from local.servicebus.settings import NamespaceSettings, QueueSettings

__all__ = [
    "CannotListenError",
    "Counters",
    "DocumentError",
    "Entry",
    "Fault",
    "LocalServiceBus",
    "NamespaceSettings",
    "QueueSettings",
]
