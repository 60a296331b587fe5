"""The operator's reach file: what definitions may touch. The page and the API can never widen it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from shared.definitions.loading import read_model
from shared.definitions.part import SYNC_NAME, Part, Text

DYNAMICS_CLOUDS = ("*.dynamics.com", "*.dynamics.cn", "*.microsoftdynamics.us", "*.appsplatform.us")
"""Hosts of the Dynamics clouds: commercial and GCC, China, GCC High, DoD."""
ENTRA_AUTHORITIES = (
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoftonline.us",
    "login.partner.microsoftonline.cn",
    "login.chinacloudapi.cn",
)
"""Hosts of the known Entra authorities."""
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def _host_pattern(pattern: str) -> str:
    lower = pattern.lower()
    if not _HOST.fullmatch(lower.removeprefix("*.")) or (lower.startswith("*.") and "." not in lower[2:]):
        raise ValueError("is not a host; write one such as files.example.com, or *.example.com for all below it")
    return lower


HostPattern = Annotated[str, StringConstraints(strict=True, max_length=253), AfterValidator(_host_pattern)]
SecretPattern = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9A-Za-z-]{1,127}\*?$")]
Container = Annotated[str, StringConstraints(strict=True, pattern=r"^(?:[a-z0-9]{3,24}/)?[a-z0-9$-]{3,63}$")]
SyncName = Annotated[str, StringConstraints(strict=True, pattern=SYNC_NAME)]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL leads: scheme and host in lower case, the port when it is stated."""

    scheme: str
    host: str
    port: int | None


def address(url: str) -> Address | None:
    """The address in the URL, or None when it is not a plain http(s) URL.

    Refused are user names and passwords, backslashes, blanks and control characters: with them, programs disagree on
    which host is meant.
    """
    if any(ord(sign) <= 32 or sign in "\\\x7f" for sign in url):
        return None
    try:
        parts: SplitResult = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    host = host.lower().removesuffix(".")
    if not _HOST.fullmatch(host) and host != "::1":
        return None
    return Address(parts.scheme.lower(), host, port)


def matches(host: str, pattern: str) -> bool:
    """Whether the host is the pattern, or lies below it (`*.example.com`)."""
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


class Reach(Part):
    """What definitions may touch. Every list that is left out is as strict as its default."""

    destinations: tuple[HostPattern, ...] = Field(
        default=DYNAMICS_CLOUDS,
        description="Hosts that may be destinations (and Dataverse sources). Locally also this machine itself.",
    )
    outbound: tuple[HostPattern, ...] = Field(
        default=(), description="Hosts that other sources and post-sync steps may call. Default: none."
    )
    containers: tuple[Container, ...] = Field(
        default=(),
        description="Blob containers that sources may read: container (of the app's own storage) or account/container. "
        "Default: none.",
    )
    folders: tuple[Text, ...] = Field(
        default=(),
        description="Local folders that sources may read, with everything below them; relative to the reach file. "
        "Default: none. Files handed over with a start need no entry.",
    )
    secrets: Mapping[SyncName, tuple[SecretPattern, ...]] = Field(
        default_factory=dict,
        description="Per sync, the secrets it may name beside its own (<sync>--*): whole names, or beginnings with *.",
    )
    authorities: tuple[HostPattern, ...] = Field(
        default=(),
        description="Hosts that may receive client secrets beside the known Entra authorities. Default: none.",
    )

    def allows_destination(self, url: str, *, local: bool) -> bool:
        """Whether the URL may be a destination. `local`: the app runs on a developer's machine; loopback is allowed."""
        return _within(url, self.destinations, local=local)

    def allows_outbound(self, url: str, *, local: bool) -> bool:
        """Whether a source or a post-sync step may call the URL.

        This is about names only: whoever calls also refuses addresses that are not public, after every redirect.
        """
        return _within(url, self.outbound, local=local)

    def allows_authority(self, url: str, *, local: bool = False) -> bool:
        """Whether a client secret may be sent to the URL."""
        return _within(url, (*ENTRA_AUTHORITIES, *self.authorities), local=local)

    def allows_secret(self, sync: str, name: str) -> bool:
        """Whether the sync may name the secret (names of secrets know no case)."""
        patterns = (f"{sync}--*", *self.secrets.get(sync, ()))
        return any(_names(pattern.lower(), name.lower()) for pattern in patterns)

    def allows_path(self, path: Path | str) -> bool:
        """Whether the file lies in an allowed folder, symbolic links and `..` followed."""
        if "://" in str(path):
            return False
        try:
            real = Path(path).resolve()
            return any(real.is_relative_to(Path(folder).resolve()) for folder in self.folders)
        except (OSError, ValueError, RuntimeError):
            return False

    def allows_blob(self, url: str) -> bool:
        """Whether `blob://container/name`, or the https URL of a blob, lies in an allowed container."""
        return (container := blob_container(url)) is not None and container in self.containers


def blob_container(url: str) -> str | None:
    """`container` for `blob://container/name`, `account/container` for a blob's https URL; None for anything else.

    A path with `.` or `..` in it is none: the HTTP client would fold it into another container.
    """
    if any(step in (".", "..") for step in re.split(r"[/\\]", unquote(url.split("?", 1)[0]))):
        return None
    if url.startswith("blob://"):
        return url.removeprefix("blob://").split("/", 1)[0] or None
    found = address(url)
    account = found.host.removesuffix(".blob.core.windows.net") if found is not None else ""
    if found is None or found.scheme != "https" or account == found.host or "." in account:
        return None
    return f"{account}/{urlsplit(url).path.lstrip('/').split('/', 1)[0]}"


def _within(url: str, patterns: tuple[str, ...], *, local: bool) -> bool:
    found = address(url)
    if found is None:
        return False
    if found.host in LOOPBACK:
        return local or found.host in patterns
    return found.scheme == "https" and any(matches(found.host, pattern) for pattern in patterns)


def _names(pattern: str, name: str) -> bool:
    return name.startswith(pattern[:-1]) and len(name) >= len(pattern) if pattern.endswith("*") else name == pattern


def load_reach(path: Path) -> Reach:
    """The reach file; when there is none, the strict defaults. Folders become absolute paths.

    Raises:
        DefinitionError: with all problems of the file.
    """
    if not path.exists():
        return Reach()
    reach = read_model(path, Reach)
    folders = tuple(str((path.parent / folder).resolve()) for folder in reach.folders)
    return reach.model_copy(update={"folders": folders})


def load_local_reach(syncs: Path) -> Reach:
    """The reach on one's own machine: what `reach.yaml` in the definitions' folder says, and the files beside it.

    Operator and author are one person there, so sources may also read below the folder that holds the definitions'.

    Raises:
        DefinitionError: with all problems of the file.
    """
    reach = load_reach(syncs / "reach.yaml")
    return reach.model_copy(update={"folders": (*reach.folders, str(syncs.resolve().parent))})
