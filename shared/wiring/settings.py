"""The settings of the product, each an environment variable."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.definitions.reach import LOOPBACK, address, matches
from shared.errors import RefuseError


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Each is an environment variable; see docs/local.md.

    `memory_mb`, `threads` and `disk_mb` bound one job's working memory. `ca_file` is a PEM bundle of authorities that
    the certificates of Dataverse, Entra and the vault are verified against instead of the public ones (a proxy that
    opens TLS, a test server).
    `source_storage` is the address of the storage account of `blob://…`; `source_identity` the client id of the managed
    identity that reads files and databases, one without rights on the app's own state. `state_tables` and `state_blobs`
    are the addresses of the storage account that keeps the state instead of a folder, `state_identity` the client id of
    the managed identity that signs in there; or `state_secret` names the secret with its connection string. Jobs that
    ended are removed after `retention_days`; None: never. `max_slice_s`: how long a queued job is
    worked on at a time. `key_vault_url` is the vault of all secrets; without it they are environment variables.

    Of the app in Azure Functions: `state_folder` and `syncs_folder` are where the command line has options.
    `bus` is the connection string of a Service Bus on this machine, `bus_namespace` the host of one in Azure, entered
    by the managed identity `bus_identity`. A function key may start the syncs `key_syncs` (`*`: every one).
    `developer`: who calls from this machine may do everything; `developer_unchecked`: also where the host cannot tell
    whether a call comes from there. `tenant_id` is the only tenant whose people and
    applications are let in; `api_client_id` the app's registration in Entra, told to those who are to sign in.
    `upload_mb` is the most that a call may bring. `app_url` is where people find the app.
    """

    memory_mb: int
    threads: int
    disk_mb: int
    ca_file: Path | None = None
    source_storage: str | None = None
    source_identity: str | None = None
    key_vault_url: str | None = None
    state_tables: str | None = None
    state_blobs: str | None = None
    state_identity: str | None = None
    state_secret: str | None = None
    retention_days: int | None = 90
    max_slice_s: int = 480
    state_folder: Path = Path(".dynsync")
    syncs_folder: Path = Path("syncs")
    bus: str | None = None
    bus_namespace: str | None = None
    bus_identity: str | None = None
    key_syncs: frozenset[str] = frozenset()
    developer: bool = False
    developer_unchecked: bool = False
    tenant_id: str | None = None
    api_client_id: str | None = None
    upload_mb: int = 10
    lanes: int = 64
    app_url: str | None = None

    @property
    def state_in_azure(self) -> bool:
        """Whether the state is kept in a storage account."""
        return bool(self.state_secret or self.state_tables)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `DYNSYNC_MEMORY_MB`, `DYNSYNC_THREADS`, `DYNSYNC_DISK_MB` and so on, as docs/local.md lists them.

        Raises:
            RefuseError: a setting is no whole number, out of range, no file, or no address.
        """
        settings = cls(
            memory_mb=_whole(environ, "DYNSYNC_MEMORY_MB", 256, least=64),
            threads=_whole(environ, "DYNSYNC_THREADS", 2, least=1, most=1_000),
            disk_mb=_whole(environ, "DYNSYNC_DISK_MB", 20_000, least=100),
            ca_file=_file(environ, "DYNSYNC_CA_FILE"),
            source_storage=_address(environ, "DYNSYNC_SOURCE_STORAGE"),
            source_identity=_text(environ, "DYNSYNC_SOURCE_IDENTITY"),
            state_tables=_address(environ, "DYNSYNC_STATE_TABLES"),
            state_blobs=_address(environ, "DYNSYNC_STATE_BLOBS"),
            state_identity=_text(environ, "DYNSYNC_STATE_IDENTITY"),
            state_secret=_text(environ, "DYNSYNC_STATE_SECRET"),
            max_slice_s=_whole(environ, "DYNSYNC_MAX_SLICE_S", 480, least=1),
            retention_days=_whole(environ, "DYNSYNC_RETENTION_DAYS", 90, least=0, most=36_500) or None,
            key_vault_url=_vault(environ, "DYNSYNC_KEY_VAULT_URL"),
            state_folder=Path(_text(environ, "DYNSYNC_STATE") or ".dynsync"),
            syncs_folder=Path(_text(environ, "DYNSYNC_SYNCS") or "syncs"),
            bus=_bus(environ, "DYNSYNC_BUS"),
            bus_namespace=_namespace(environ, "DYNSYNC_BUS__fullyQualifiedNamespace"),
            bus_identity=_text(environ, "DYNSYNC_BUS__clientId"),
            key_syncs=_names(environ, "DYNSYNC_KEY_SYNCS"),
            developer=_developer(environ) != "false",
            developer_unchecked=_developer(environ) == "unchecked",
            tenant_id=_text(environ, "DYNSYNC_TENANT_ID"),
            api_client_id=_text(environ, "DYNSYNC_API_CLIENT_ID"),
            upload_mb=_whole(environ, "DYNSYNC_UPLOAD_MB", 10, least=1),
            lanes=_whole(environ, "DYNSYNC_LANES", 64, least=1),
            app_url=_own_address(environ),
        )
        settings._refuse_half_a_store()
        return settings

    def _refuse_half_a_store(self) -> None:
        if bool(self.state_tables) != bool(self.state_blobs):
            raise RefuseError("the state in Azure needs both settings, DYNSYNC_STATE_TABLES and DYNSYNC_STATE_BLOBS")
        if self.state_secret and self.state_tables:
            raise RefuseError(
                "the settings DYNSYNC_STATE_SECRET and DYNSYNC_STATE_TABLES both say where the state is; give one"
            )
        if self.bus and self.bus_namespace:
            raise RefuseError(
                "the settings DYNSYNC_BUS and DYNSYNC_BUS__fullyQualifiedNamespace both say where the queues are; "
                "give one"
            )


def _own_address(environ: Mapping[str, str]) -> str | None:
    """Where the app is found. Source: Microsoft Learn, "Environment variables and app settings": WEBSITE_HOSTNAME."""
    told = environ.get("DYNSYNC_APP_URL", "").strip().rstrip("/")
    found = address(told) if told else None
    if told and (found is None or (found.scheme == "http" and found.host not in LOOPBACK) or told.count("/") > 2):
        raise RefuseError("setting DYNSYNC_APP_URL is no address of an app; write https://<host>")
    if told:
        return told
    host = environ.get("WEBSITE_HOSTNAME", "").strip()
    own = host.partition(":")[0] in LOOPBACK
    return f"{'http' if own else 'https'}://{host}" if host else None


def _text(environ: Mapping[str, str], name: str) -> str | None:
    return environ.get(name, "").strip() or None


_VAULTS = ("*.vault.azure.net", "*.vault.azure.cn", "*.vault.usgovcloudapi.net")
"""Hosts of key vaults, by cloud. Source: Microsoft Learn, "About keys, secrets, and certificates"."""


_DIGITS = 20
"""Of a number that is looked at; the interpreter refuses to read one of thousands."""


def _whole(environ: Mapping[str, str], name: str, default: int, *, least: int, most: int = 10_000_000) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or len(text) > _DIGITS or not least <= int(text) <= most:
        raise RefuseError(
            f"setting {name} is {text[:40]!r}; it must be a whole number, at least {least} and at most {most}"
        )
    return int(text)


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name, "").strip()
    if text and not _is_file(text):
        raise RefuseError(f"setting {name} is {text[:200]!r}, which is no file; give the path of a PEM bundle")
    return Path(text) if text else None


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # longer than a path may be
        return False


def _address(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip().rstrip("/")
    found = address(text) if text else None
    kind = "table" if name.endswith("TABLES") else "blob"
    if text and (found is None or (found.scheme == "http" and found.host not in LOOPBACK)):
        raise RefuseError(
            f"setting {name} is no address of a storage account; write https://<account>.{kind}.core.windows.net"
        )
    return text or None


def _vault(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip().rstrip("/")
    found = address(text) if text else None
    known = found is not None and (found.host in LOOPBACK or any(matches(found.host, one) for one in _VAULTS))
    if text and (found is None or not known or found.scheme != "https" or text.count("/") > 2):
        raise RefuseError(f"setting {name} is no address of a key vault; write https://<vault>.vault.azure.net")
    return text or None


_BUSES = ("*.servicebus.windows.net", "*.servicebus.chinacloudapi.cn", "*.servicebus.usgovcloudapi.net")
"""Hosts of Service Bus, by cloud. Source: Microsoft Learn, "National clouds and service endpoints"."""
_ENDPOINT = re.compile(r"(?:^|;)\s*Endpoint=sb://(\[[0-9a-f:]+\]|[^:/;]+)", re.IGNORECASE)


def _bus(environ: Mapping[str, str], name: str) -> str | None:
    """A connection string carries a key, so it may lead to this machine only."""
    text = environ.get(name, "").strip()
    endpoint = _ENDPOINT.search(text)
    if text and (endpoint is None or endpoint[1].strip("[]") not in LOOPBACK):
        raise RefuseError(
            f"setting {name} is no connection string of a Service Bus on this machine; for one in Azure set "
            f"{name}__fullyQualifiedNamespace, which is entered by identity and not by a key"
        )
    return text or None


def _namespace(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip().lower()
    host = text.rpartition(":")[0].strip("[]") if ":" in text else text
    if text and host not in LOOPBACK and not any(matches(text, one) for one in _BUSES):
        raise RefuseError(f"setting {name} is no Service Bus; write <namespace>.servicebus.windows.net")
    return text or None


def _names(environ: Mapping[str, str], name: str) -> frozenset[str]:
    return frozenset(part.strip() for part in environ.get(name, "").split(",") if part.strip())


def _developer(environ: Mapping[str, str]) -> str:
    text = environ.get("DYNSYNC_DEVELOPER", "").strip().lower() or "false"
    if text not in ("true", "false", "unchecked"):
        raise RefuseError(f"setting DYNSYNC_DEVELOPER is {text[:40]!r}; it must be true, false or unchecked")
    return text
