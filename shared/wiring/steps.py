"""The ways out of the app that steps after a job may take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from shared.dataverse.client import DataverseClient
from shared.definitions.post_sync import PostSyncStep
from shared.definitions.sync import SyncDefinition
from shared.post_sync import Taker, Ways
from shared.values.jobs import Job
from shared.values.steps import Ended, Said
from shared.wiring.connections import Connector, utc_now
from shared.wiring.rotation import Reached, once_more


@dataclass(frozen=True, slots=True)
class RenewedTaker:
    """Takes steps; a secret that was refused is read once more, and the step that was refused by it taken again."""

    connector: Connector
    ways: Ways

    def take(self, definition: SyncDefinition, step: PostSyncStep, ended: Ended) -> Said:
        """Take one step. Raises as `Taker.take`."""
        secrets = Reached(self.connector.secrets, self.connector.reach, definition.name)
        return once_more(
            secrets,
            lambda some: Taker(replace(self.ways, secret=lambda _, name: some.get(name))).take(definition, step, ended),
        )


def step_taker(
    connector: Connector,
    *,
    base: Path,
    identity: str | None,
    queue: Callable[[str, Mapping[str, str], str, tuple[str, ...]], Job],
) -> RenewedTaker:
    """Takes steps with the secrets and within the reach of `connector`; `queue` starts a chained sync."""

    @contextmanager
    def connect(definition: SyncDefinition, timeout_s: int) -> Iterator[DataverseClient]:
        destination = definition.destination.model_copy(update={"timeout_s": timeout_s})
        with connector.open(definition.name, destination) as client:
            yield client

    return RenewedTaker(
        connector,
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
        ),
    )
