"""The settings of the product, each an environment variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared.errors import RefuseError


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. Each is an environment variable; see docs/local.md.

    `memory_mb`, `threads` and `disk_mb` bound one job's working memory. `ca_file` is a PEM bundle of authorities that
    Dataverse's certificate is verified against instead of the public ones (a proxy that opens TLS, a test server).
    """

    memory_mb: int
    threads: int
    disk_mb: int
    ca_file: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read `DYNSYNC_MEMORY_MB`, `DYNSYNC_THREADS`, `DYNSYNC_DISK_MB` and `DYNSYNC_CA_FILE`.

        Raises:
            RefuseError: a setting is no whole number, out of range, or no file.
        """
        return cls(
            memory_mb=_whole(environ, "DYNSYNC_MEMORY_MB", 256, least=64),
            threads=_whole(environ, "DYNSYNC_THREADS", 2, least=1),
            disk_mb=_whole(environ, "DYNSYNC_DISK_MB", 20_000, least=100),
            ca_file=_file(environ, "DYNSYNC_CA_FILE"),
        )


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
