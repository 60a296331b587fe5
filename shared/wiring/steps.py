"""The ways out of the app that steps after a job may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.dataverse.client import DataverseClient
from shared.definitions.sync import SyncDefinition
from shared.post_sync import Taker, Ways
from shared.values.jobs import Job
from shared.wiring.connections import Connector, utc_now


def step_taker(
    connector: Connector,
    *,
    base: Path,
    identity: str | None,
    queue: Callable[[str, Mapping[str, str], str, tuple[str, ...]], Job],
) -> Taker:
    """Takes steps with the secrets and within the reach of `connector`; `queue` starts a chained sync."""

    @contextmanager
    def connect(definition: SyncDefinition, timeout_s: int) -> Iterator[DataverseClient]:
        destination = definition.destination.model_copy(update={"timeout_s": timeout_s})
        with connector.open(definition.name, destination) as client:
            yield client

    return Taker(
        Ways(
            connect=connect,
            secret=connector.secret,
            queue=queue,
            allows_outbound=lambda url: connector.reach.allows_outbound(url, local=connector.local),
            allows_path=connector.reach.allows_path,
            base=base,
            local=connector.local,
            clock=utc_now,
            verify=connector.verify,
            identity=identity,
        )
    )
