"""Opens the queues that the settings name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.wiring.settings import Settings

if TYPE_CHECKING:
    from shared.bus import ServiceBus


def bus_of(settings: Settings) -> Callable[[], ServiceBus] | None:
    """Opens the queues that the settings name; None when they name none."""
    if settings.bus is None and settings.bus_namespace is None:
        return None

    def opened() -> ServiceBus:
        from shared.bus import BusAddress, connect  # dear to start

        if settings.bus_namespace is not None:
            address = BusAddress(namespace=settings.bus_namespace, client_id=settings.bus_identity)
        else:
            address = BusAddress(secret="DYNSYNC_BUS")  # noqa: S106 - a name
        return connect(address, _Setting(settings.bus or ""))

    return opened


@dataclass(frozen=True, slots=True)
class _Setting:
    """A connection string from a setting, where the bus asks for a secret."""

    text: str = field(repr=False)

    def get(self, name: str) -> str:
        return self.text

    def renew(self, name: str) -> str:
        return self.text
