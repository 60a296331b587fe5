"""The stand-in as a running server, in a thread of this process."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn

from local.dataverse import documents, seeding, tls
from local.dataverse import settings as settings_file
from local.dataverse.application import Application, LoggedRequest
from local.dataverse.collation import fold_of
from local.dataverse.definitions import TableFileError
from local.dataverse.faults import Fault
from local.dataverse.identity import CLIENT_ID, CLIENT_SECRET, TENANT_ID, Identity
from local.dataverse.limits import Gate, Gauge, Limits
from local.dataverse.logic import Event, Operation, Stage, Step, Workflow, sound
from local.dataverse.service import Service
from local.dataverse.settings import Registration, Settings
from local.dataverse.store import Store
from local.dataverse.webhooks import Delivery, Webhook
from local.dataverse.world import Clock, World
from local.listening import CannotListenError, Protocol, Server, open_listener, server_settings

_START_S = 10.0


class LocalDataverse:
    """A Dataverse environment on a free port of this machine.

    Use it as a context manager. `tables` is a table-definition file, `file` keeps the rows beyond the process;
    tokens live `expires_in_s` seconds of `clock`; `limits` are none unless given. `settings` count
    over those that stand in the table-definition file. With `https` it speaks TLS, and the certificate to trust is
    written to that file.

    Raises:
        TableFileError, DocumentError, SeedError: a file or a setting is wrong.
        CannotOpenError, CannotWriteError: the file of the rows or of the certificate cannot be used.
    """

    tenant_id = TENANT_ID
    client_id = CLIENT_ID
    client_secret = CLIENT_SECRET

    def __init__(
        self,
        tables: Path | str | None = None,
        file: Path | str | None = None,
        *,
        expires_in_s: int = 3600,
        clock: Clock = lambda: datetime.now(UTC),
        port: int = 0,
        https: Path | str | None = None,
        limits: Limits | None = None,
        settings: Settings | None = None,
    ) -> None:
        tables, file, https = (Path(one) if one is not None else None for one in (tables, file, https))
        defined, beside = settings_file.of_table_file(tables)
        wanted = beside + (settings or Settings()) + Settings(limits=limits)
        self._tls = tls.context(https) if https else None
        self._store = Store(defined, file, language=wanted.language)
        service = Service(World(self._store, clock), fold_of(self._store.language))
        self._seed(service, tables)
        self.application = Application(service, Identity(clock, expires_in_s))
        self._port = port
        self.apply(wanted)
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    def _seed(self, service: Service, source: Path | None) -> None:
        try:
            seeding.first_rows(service)
        except TableFileError as refused:
            self._store.close()
            raise TableFileError(f"{source}: {problem}" for problem in refused.problems) from None

    def apply(self, settings: Settings) -> None:
        """Adds settings to those that are; limits only when it has some.

        Raises:
            DocumentError: a table that is named is not there.
        """
        if settings.limits is not None:
            self.limit(settings.limits)
        self.declare(*settings.actions, *settings.workflows)
        self.inject(*settings.faults)
        for webhook in settings.webhooks:
            self.register(webhook)
        for registration in settings.applications:
            self.add_application(registration)

    def add_application(self, registration: Registration) -> None:
        """Lets another application sign in; its user is made when there is none and it is a member."""
        self.application.identity.register(registration.client_id, registration.client_secret)
        known = {row["applicationid"] for row in self.rows("systemuser")}
        if registration.member and registration.client_id not in known:
            self.insert("systemuser", [{"fullname": registration.name, "applicationid": registration.client_id}])

    def trust(self, authority: str, ca_file: Path | None = None) -> None:
        """Accepts tokens of another authority beside its own; `ca_file` verifies that one's certificate."""
        from local.dataverse.trust import TrustedAuthority  # only who trusts another pays for its import

        self.application.identity.trust(TrustedAuthority(authority, ca_file))

    @property
    def authority(self) -> str:
        """The identity provider: its token endpoint is `{authority}{tenant}/oauth2/v2.0/token`."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}/"

    @property
    def url(self) -> str:
        """The service root."""
        return f"{self.authority}api/data/v9.2/"

    def token(self, client_id: str = CLIENT_ID) -> str:
        """A bearer token of an application, for a test that sends requests of its own."""
        with self.application.lock:
            return self.application.identity.issue(client_id)

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests so far, oldest first (the last 20,000)."""
        return list(self.application.log)

    def clear_requests(self) -> None:
        """Empties the log of requests."""
        self.application.log.clear()

    def inject(self, *faults: Fault | Mapping[str, object]) -> None:
        """Queues faults.

        Raises:
            DocumentError: one is wrong, or can never act.
        """
        for fault in faults:
            self.application.inject(fault)

    def on(
        self,
        act: Callable[[Event], None],
        table: str = "",
        message: str = "",
        *,
        stage: Stage = Stage.AFTER,
        columns: Sequence[str] = (),
    ) -> Step:
        """Registers a plug-in step; `remove` takes it back. What `insert` writes raises no steps.

        Raises:
            DocumentError: there is no such table, column or message, so the step would never run.
        """
        sound.check_step(self.application.service.world.tables, table, message, columns)
        step = Step(act, table, message, stage, frozenset(columns), getattr(act, "__name__", "step"))
        self.application.service.world.steps.add(step)
        return step

    def remove(self, step: Step) -> None:
        """Takes a plug-in step back."""
        self.application.service.world.steps.remove(step)

    def declare(self, *given: Operation | Workflow) -> None:
        """Adds actions, functions and workflows."""
        for one in given:
            calls = self.application.service.calls
            calls.declare(one) if isinstance(one, Operation) else calls.declare_workflow(one)

    def register(self, webhook: Webhook) -> None:
        """Registers a webhook."""
        with self.application.lock:
            self.application.webhooks.register(webhook)

    @property
    def deliveries(self) -> list[Delivery]:
        """What became of the webhooks' posts, oldest first (the last 1,000)."""
        return list(self.application.webhooks.deliveries)

    def settle(self, timeout_s: float = 10.0) -> None:
        """Waits until what goes on by itself has ended: late writes, asynchronous steps, webhooks.

        Raises:
            TimeoutError: it has not ended in time. An error of an asynchronous step comes as it is.
        """
        if not self.application.background.wait_until_idle(timeout_s):
            raise TimeoutError(f"after {timeout_s:g} s there is still work behind the requests")
        if self.application.background.broken:
            raise self.application.background.broken.pop(0)

    def limit(self, limits: Limits | None) -> None:
        """Sets other limits, with nothing used yet; None switches them off.

        Raises:
            DocumentError: a limit is not allowed.
        """
        self.application.gate = Gate(None if limits is None else documents.checked(limits, "limits"))

    @property
    def gauges(self) -> list[Gauge]:
        """What each user has used of the limits of each server."""
        return self.application.gate.gauges()

    @property
    def entitlement(self) -> Mapping[str, int]:
        """Power Platform requests of today by client id: each operation of a batch and each bulk target counts."""
        return self.application.entitlement.used

    def rows(self, table: str) -> list[dict[str, object]]:
        """Every row of a table, oldest first, by the names of the Web API (`_parentaccountid_value`); numbers plain."""
        with self.application.lock:
            return seeding.rows(self.application.service, table)

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> list[str]:
        """Creates rows as the Web API would be sent them, past the network, and inactive ones too; their ids."""
        with self.application.lock:
            return seeding.insert(self.application.service, table, rows)

    def start(self) -> None:
        """Starts to listen.

        Raises:
            CannotListenError: the port is taken or not allowed; the database is closed then.
        """
        try:
            opened = open_listener(self._port, "local Dataverse")
        except CannotListenError:
            self._store.close()
            raise
        self._port = int(opened.getsockname()[1])
        self._server = Server(_config(self.application, self._tls))
        self._thread = threading.Thread(target=self._run, args=(self._server, opened), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the server and closes the database."""
        if self._server is not None and self._thread is not None:
            self._server.end()
            self._thread.join(_START_S)
        self._store.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @staticmethod
    def _run(server: Server, listener: socket.socket) -> None:
        with listener:
            server.run(sockets=[listener])


class _Protocol(Protocol):
    """Ends as its connection's kind wants it."""

    def shutdown(self) -> None:
        """An idle TLS connection ends at once: its client, which reads nothing now, would not say goodbye."""
        super().shutdown()
        if self.scheme == "https" and self.transport.is_closing():
            self.transport.abort()


def _is_told(record: logging.LogRecord) -> bool:
    """What uvicorn says of a connection that a fault cut is no news: the log of requests has it."""
    return "without completing response" not in record.getMessage()


def _config(application: Application, context: ssl.SSLContext | None) -> uvicorn.Config:
    config = server_settings(application, protocol=_Protocol, tls=context, keep_alive_s=120)
    logging.getLogger("uvicorn.error").addFilter(_is_told)
    return config
