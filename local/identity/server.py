"""The stand-ins as running servers: Entra and Key Vault over TLS, the managed identity endpoint plain, as in Azure."""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import trustme
from starlette.types import ASGIApp

from local.identity.directory import Application, ClientSecret, Directory
from local.identity.entra import Entra
from local.identity.faults import Fault, Seen, UnderWeather, Weather
from local.identity.listening import Listening
from local.identity.machine import PATH, Machine
from local.identity.tokens import Issuer
from local.identity.vault.api import VaultApi
from local.identity.vault.rights import OFFICER, USER, Rights
from local.identity.vault.store import Vault
from local.listening import open_listener

TENANT_ID = "1d000000-0000-4000-8000-00000000aaaa"
APP_ID = "1d000000-0000-4000-8000-00000000c1d1"
"""An application with a client secret and all rights over secrets, as an operator has them."""
APP_SECRET = "local-development-only"  # noqa: S105 - opens nothing but this stand-in
MACHINE_ID = "1d000000-0000-4000-8000-00000000a55e"
"""The machine's own identity; it may read secrets."""
PUBLIC_VAULTS = "https://vault.azure.net"


class LocalIdentity:
    """Entra, the managed identity endpoint and one vault, on free ports of this machine.

    Use it as a context manager. Tokens live `expires_in_s` seconds of `clock`. `folder` takes the certificate of the
    authority that is made for it (a temporary one when left out).

    Raises:
        OSError: a port is taken.
    """

    tenant_id = TENANT_ID
    client_id = APP_ID
    client_secret = APP_SECRET
    machine_id = MACHINE_ID

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        expires_in_s: int = 3600,
        purge_protection: bool = False,
        limit: int | None = None,
        folder: Path | None = None,
        ports: tuple[int, int, int] = (0, 0, 0),
    ) -> None:
        self.directory, self.rights, self._weather = Directory(), Rights(), Weather()
        self.vault = Vault(clock, purge_protection=purge_protection, limit=limit)
        self.issuer = Issuer(clock, expires_in_s)
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="local-identity-")
        self.ca_file = (folder or Path(self._temporary.name if self._temporary else "")) / "authority.pem"
        self._header = secrets.token_hex(16)
        self._listening = Listening()
        listeners = [open_listener(port, "local identity") for port in ports]
        self._ports = tuple(int(one.getsockname()[1]) for one in listeners)
        tls = self._certificate()
        applications = (self._entra(), self._vault(), self._machine())
        for part, application, socket, context in zip(
            ("entra", "vault", "identity"), applications, listeners, (tls, tls, None), strict=True
        ):
            self._listening.add(UnderWeather(application, part, self._weather), socket, context)
        self._first()

    @property
    def authority(self) -> str:
        """Entra's address, for any tenant."""
        return f"https://127.0.0.1:{self._ports[0]}"

    @property
    def vault_url(self) -> str:
        """The vault's address."""
        return f"https://127.0.0.1:{self._ports[1]}"

    @property
    def identity_endpoint(self) -> str:
        """The managed identity endpoint, as `IDENTITY_ENDPOINT` names it."""
        return f"http://127.0.0.1:{self._ports[2]}{PATH}"

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables by which the product, and Microsoft's libraries, find all of this."""
        return {
            "IDENTITY_ENDPOINT": self.identity_endpoint,
            "IDENTITY_HEADER": self._header,
            "DYNSYNC_KEY_VAULT_URL": self.vault_url,
            "DYNSYNC_CA_FILE": str(self.ca_file),
        }

    @property
    def requests(self) -> list[Seen]:
        """The requests so far, oldest first."""
        return list(self._weather.seen)

    def clear_requests(self) -> None:
        """Empty the log of requests."""
        self._weather.seen.clear()

    def inject(self, *faults: Fault) -> None:
        """Queue faults."""
        self._weather.faults.extend(faults)

    def add(self, application: Application, role: str | None = None) -> None:
        """Register an application, with a role in the vault when it shall have one."""
        self.directory.add(application)
        if role is not None:
            self.rights.grant(application.client_id, role)

    def start(self) -> None:
        """Begin to answer."""
        self._listening.start()

    def stop(self) -> None:
        """End the servers."""
        self._listening.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _first(self) -> None:
        """What is there from the beginning: an operator's application, and the machine's own identity."""
        self.add(Application(APP_ID, TENANT_ID, (ClientSecret(APP_SECRET),)), OFFICER)
        self.add(Application(MACHINE_ID, TENANT_ID, managed=True), USER)

    def _certificate(self) -> ssl.SSLContext:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context

    def _entra(self) -> ASGIApp:
        return Entra(self.directory, self.issuer).application()

    def _vault(self) -> ASGIApp:
        """The library wants the challenge's resource to be a part of the vault's host behind a dot; so here it is."""
        resources = (f"https://0.0.1:{self._ports[1]}", PUBLIC_VAULTS)
        self.directory.add_resources(resources)
        authority = f"{self.authority}/{TENANT_ID}"
        return VaultApi(self.vault, self.rights, self.issuer, authority, resources).application()

    def _machine(self) -> ASGIApp:
        return Machine(self.directory, self.issuer, self._header, self.authority).application()
