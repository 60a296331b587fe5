"""The settings of the product, each an environment variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.definitions.reach import LOOPBACK, address, matches
from shared.errors import RefuseError


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Each is an environment variable; see docs/local.md.

    `memory_mb`, `threads` and `disk_mb` bound one job's working memory. `ca_file` is a PEM bundle of authorities that
    Dataverse's certificate is verified against instead of the public ones (a proxy that opens TLS, a test server).
    `source_storage` is the address of the storage account of `blob://…`; `source_identity` the client id of the managed
    identity that reads files and databases, one without rights on the app's own state.
    `key_vault_url` is the vault of all secrets; without it they are environment variables.
    """

    memory_mb: int
    threads: int
    disk_mb: int
    ca_file: Path | None = None
    source_storage: str | None = None
    source_identity: str | None = None
    key_vault_url: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `DYNSYNC_MEMORY_MB`, `DYNSYNC_THREADS`, `DYNSYNC_DISK_MB`, `DYNSYNC_CA_FILE`, `DYNSYNC_SOURCE_…`
        and `DYNSYNC_KEY_VAULT_URL`.

        Raises:
            RefuseError: a setting is no whole number, out of range, no file, or no address.
        """
        return cls(
            memory_mb=_whole(environ, "DYNSYNC_MEMORY_MB", 256, least=64),
            threads=_whole(environ, "DYNSYNC_THREADS", 2, least=1),
            disk_mb=_whole(environ, "DYNSYNC_DISK_MB", 20_000, least=100),
            ca_file=_file(environ, "DYNSYNC_CA_FILE"),
            source_storage=_address(environ, "DYNSYNC_SOURCE_STORAGE"),
            source_identity=environ.get("DYNSYNC_SOURCE_IDENTITY", "").strip() or None,
            key_vault_url=_vault(environ, "DYNSYNC_KEY_VAULT_URL"),
        )


_VAULTS = ("*.vault.azure.net", "*.vault.azure.cn", "*.vault.usgovcloudapi.net")
"""Hosts of key vaults, by cloud. Source: Microsoft Learn, "About keys, secrets, and certificates"."""


def _whole(environ: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise RefuseError(f"setting {name} is {text[:40]!r}; it must be a whole number, at least {least}")
    return int(text)


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    text = environ.get(name, "").strip()
    if text and not Path(text).is_file():
        raise RefuseError(f"setting {name} is {text[:200]!r}, which is no file; give the path of a PEM bundle")
    return Path(text) if text else None


def _address(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip().rstrip("/")
    found = address(text) if text else None
    if text and (found is None or (found.scheme == "http" and found.host not in LOOPBACK)):
        raise RefuseError(
            f"setting {name} is no address of a storage account; write https://<account>.blob.core.windows.net"
        )
    return text or None


def _vault(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name, "").strip().rstrip("/")
    found = address(text) if text else None
    known = found is not None and (found.host in LOOPBACK or any(matches(found.host, one) for one in _VAULTS))
    if text and (found is None or not known or found.scheme != "https" or text.count("/") > 2):
        raise RefuseError(f"setting {name} is no address of a key vault; write https://<vault>.vault.azure.net")
    return text or None
