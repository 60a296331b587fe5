"""Opens connections to Dataverse with the credentials that a definition names."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.dataverse.auth import (
    DEFAULT_AUTHORITY,
    Application,
    Certificate,
    ClientSecret,
    EntraTokens,
    ManagedIdentityTokens,
    TokenSource,
)
from shared.dataverse.auth.proofs import Proof
from shared.dataverse.client import DataverseClient
from shared.dataverse.pauses import PausePolicy
from shared.dataverse.transport import Transport
from shared.dataverse.writing import WriteOptions, Writer, write_options
from shared.definitions.connection import Credential, DataverseConnection
from shared.definitions.destination import DynamicsDestination
from shared.definitions.reach import Reach
from shared.definitions.sync import SyncDefinition
from shared.errors import AuthenticationError, NotAllowedError
from shared.ports import Clock, Secrets
from shared.values.tables import Table
from shared.wiring.rotation import Reached


def utc_now() -> datetime:
    """The present time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection to one environment, as the engine wants it."""

    client: DataverseClient
    batch_size: int
    options: WriteOptions

    def writer(self, table: Table) -> Writer:
        """Writes rows of a table."""
        return Writer(self.client.transport, table, batch_size=self.batch_size, options=self.options)


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections to Dataverse with the credentials that a definition names. `verify` is what requests takes.

    `pauses` and `timeout_s` bound how long a request is tried and waited for, where a definition allows for more;
    `clock` and `sleep` are those of its requests.
    """

    secrets: Secrets
    reach: Reach
    local: bool
    verify: bool | str = True
    pauses: PausePolicy | None = None
    timeout_s: float | None = None
    clock: Clock = utc_now
    sleep: Callable[[float], None] = time.sleep

    @contextmanager
    def connect(self, definition: SyncDefinition) -> Iterator[Connected]:
        """A connection to the definition's destination, closed afterwards."""
        destination = definition.destination
        with self.open(definition.name, destination, parallel=destination.parallel) as client:
            yield Connected(client, destination.batch_size or 1000, options_of(destination))

    @contextmanager
    def open(
        self, sync: str, connection: DataverseConnection, *, parallel: int | None = None
    ) -> Iterator[DataverseClient]:
        """A client for an environment; `parallel` caps its requests at a time.

        Raises:
            NotAllowedError: address, authority or a secret is outside the operator's reach.
            AuthenticationError: a secret that signs in is not there or cannot be used.
        """
        if not self.reach.allows_destination(connection.service_url, local=self.local):
            raise NotAllowedError(
                f"destination {connection.service_url!r} is outside the reach",
                remedy="an operator may add its host to `destinations` in syncs/reach.yaml",
            )
        tokens = self._sign_ins(sync, connection)
        with Transport(
            connection.service_url,
            tokens,
            timeout_s=min(connection.timeout_s, self.timeout_s or connection.timeout_s),
            parallel=parallel,
            sleep=self.sleep,
            clock=self.clock,
            verify=self.verify,
            pauses=self.pauses,
        ) as line:
            yield DataverseClient(line)

    def _sign_ins(self, sync: str, connection: DataverseConnection) -> list[TokenSource]:
        if connection.auth_kind != "managed_identity":
            return [self._tokens(sync, connection, credential) for credential in connection.sign_ins]
        client_id = connection.client_id
        chosen = self.secret(sync, client_id.secret) if client_id else None
        return [ManagedIdentityTokens(chosen, connection.service_url, clock=self.clock)]

    def _tokens(self, sync: str, connection: DataverseConnection, credential: Credential) -> EntraTokens:
        authority = connection.authority or DEFAULT_AUTHORITY
        allowed = [authority] if self.reach.allows_authority(authority, local=self.local) else []
        tenant = connection.tenant_id

        def read(fresh: bool) -> Application:
            return Application(
                self.secret(sync, tenant.secret, fresh=fresh) if tenant else None,
                self.secret(sync, credential.client_id.secret, fresh=fresh),
                self._proof(sync, credential, fresh=fresh),
            )

        return EntraTokens(
            read,
            connection.service_url,
            authority,
            clock=self.clock,
            allowed_authorities=allowed,
            sleep=self.sleep,
            verify=self.verify,
            pauses=self.pauses,
        )

    def _proof(self, sync: str, credential: Credential, *, fresh: bool) -> Proof:
        certificate, secret = credential.certificate, credential.client_secret
        if certificate is not None:
            return Certificate(self.secret(sync, certificate.secret, fresh=fresh), certificate.secret)
        if secret is not None:
            return ClientSecret(self.secret(sync, secret.secret, fresh=fresh))
        raise AuthenticationError(f"sync {sync!r} names neither client_secret nor certificate; name one")

    def secret(self, sync: str, name: str, *, fresh: bool = False) -> str:
        """A secret that a sync may name; `fresh`: as its home has it now.

        Raises:
            NotAllowedError, AuthenticationError: it may not name it; there is none.
        """
        home = Reached(self.secrets, self.reach, sync)
        return home.renew(name) if fresh else home.get(name)


def options_of(destination: DynamicsDestination) -> WriteOptions:
    """What a definition wants to travel with every write."""
    bypass = destination.bypass
    return write_options(
        logic=bypass.logic if bypass else (),
        plugins=bool(bypass and bypass.plugins),
        steps=bypass.steps if bypass else (),
        flows=bool(bypass and bypass.flows),
        duplicate_detection=destination.duplicate_detection,
        caller=destination.caller,
        tag=destination.tag,
    )
