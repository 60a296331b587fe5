"""Azure Blob Storage and Data Lake: files by name or pattern, fetched whole and only as they were listed.

Every file is known by its name and ETag. It is fetched under the condition that its ETag is still the one listed, so a
file that somebody writes to meanwhile stops the job instead of giving half of each.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from shared.errors import AuthenticationError, FailError, SourceError
from shared.sources.beginnings import RangedFile
from shared.sources.file_set import Listed
from shared.sources.patterns import NamePattern
from shared.variables import Piece

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_RESERVE_BYTES = 64 << 20
_AT_ONCE = 2
_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True)
class Storage:
    """How storage is reached. `account_url`: the account of `blob://…`; `identity`: client id of the managed identity.

    `identity` is one for sources alone, without rights on the app's own state; without it, the machine's default.
    """

    account_url: str | None = None
    identity: str | None = None
    retries: int = 4


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file as it was listed."""

    name: str
    etag: str


@dataclass(frozen=True, slots=True)
class Place:
    """A container, and the names that are meant in it. `account_url` ends without a slash."""

    account_url: str
    container: str
    names: NamePattern

    def shown(self, name: str | None = None) -> str:
        """A file's address for messages; it holds no secret."""
        return f"{self.account_url}/{self.container}/{self.names.text if name is None else name}"


def place(path: NamePattern, storage: Storage) -> Place:
    """Where a path leads: `blob://container/name` or a blob's https address.

    Raises:
        SourceError: it names no container or file, or `blob://` has no account.
    """
    scheme, _, rest = path.text.partition("://")
    if scheme == "blob":
        if not storage.account_url:
            raise SourceError(
                f"{path.text!r}: no storage account is set; set DYNSYNC_SOURCE_STORAGE to its address "
                "(https://<account>.blob.core.windows.net), or write the file's whole address"
            )
        container, slash, _ = rest.partition("/")
        skipped, account = len("blob://" + container + slash), storage.account_url.rstrip("/")
        pieces = _after(path, skipped)
    else:
        if "?" in path.text:
            raise SourceError("the source's path is an address with a `?`; name a SAS token's secret under `sas`")
        parts = urlsplit(path.text)
        container, slash, _ = parts.path.lstrip("/").partition("/")
        account = f"{parts.scheme}://{parts.netloc}"
        skipped = len(account) + 1 + len(container) + len(slash)
        pieces = [Piece(unquote(p.text), variable=p.variable) for p in _after(path, skipped)]
    if not container or not "".join(piece.text for piece in pieces):
        raise SourceError(f"{path.text!r} names no file; write container/name, or container/*.csv")
    return Place(account, container, NamePattern(tuple(pieces)))


def encoded(value: str) -> str:
    """A variable's value as part of an address."""
    return quote(value, safe="/")


def _after(path: NamePattern, skipped: int) -> list[Piece]:
    kept = []
    for piece in path.pieces:
        if rest := piece.text[skipped:]:
            kept.append(Piece(rest, variable=piece.variable))
        skipped = max(skipped - len(piece.text), 0)
    return kept


@dataclass(frozen=True, slots=True)
class BlobFiles:
    """The files of a place. `sas` gives a token from the vault; None: the identity signs in."""

    place: Place
    storage: Storage
    sas: Callable[[], str] | None = None

    def list(self) -> Sequence[Listed]:
        """The files that are meant, by name; versions are ETags.

        Raises:
            SourceError: there is none, or the container cannot be listed.
            AuthenticationError: neither token nor identity may do that.
        """
        with self._container() as container:
            found = self._matching(container) if self.place.names.wild else [self._one(container)]
        return [Listed(self.place.shown(one.name), one.etag) for one in found]

    @contextlib.contextmanager
    def local(self, file: Listed, folder: Path) -> Iterator[Path]:
        """A copy of the file in `folder`."""
        name = file.name.removeprefix(self.place.shown(""))
        target = folder / "file"
        self.fetch(name, file.version, target)
        yield target

    @contextlib.contextmanager
    def opened(self, file: Listed) -> Iterator[tuple[IO[bytes], int]]:
        """The file to read pieces of, each under the ETag that was listed, and its size."""
        from azure.core import MatchConditions

        same: dict[str, Any] = {"etag": file.version, "match_condition": MatchConditions.IfNotModified}
        with self._container() as container:
            blob = container.get_blob_client(file.name.removeprefix(self.place.shown("")))

            def piece(start: int, length: int) -> bytes:
                return bytes(blob.download_blob(start, length, **same).readall())

            size_bytes = int(blob.get_blob_properties(**same).size)
            yield RangedFile(size_bytes, piece).buffered(), size_bytes

    def _matching(self, container: ContainerClient) -> Sequence[RemoteFile]:
        names, found = self.place.names, []
        for item in container.list_blobs(name_starts_with=names.prefix or None, include=["metadata"]):
            folder = (item.metadata or {}).get("hdi_isfolder") == "true"  # Data Lake lists folders as empty files
            if not folder and names.matches(item.name):
                found.append(RemoteFile(item.name, item.etag.strip('"')))
            if len(found) > _MOST_FILES:
                raise SourceError(f"{self.place.shown()} matches more than {_MOST_FILES:,} files; narrow the pattern")
        if not found:
            raise SourceError(f"no file matches {self.place.shown()}; check the pattern and what lies there")
        return sorted(found, key=lambda one: one.name)

    def _one(self, container: ContainerClient) -> RemoteFile:
        name = self.place.names.text
        found = container.get_blob_client(name).get_blob_properties()
        return RemoteFile(name, found.etag.strip('"'))

    def fetch(self, name: str, etag: str, target: Path) -> None:
        """Write a file to `target`, as it was listed.

        Raises:
            SourceError: it has changed since, there is no room, or the connection broke.
        """
        from azure.core import MatchConditions

        with self._container() as container, target.open("wb") as out:
            download = container.download_blob(
                name, etag=etag, match_condition=MatchConditions.IfNotModified, max_concurrency=_AT_ONCE
            )
            self._check_room(name, download.size, target.parent)
            written = download.readinto(out)
        if written != download.size:
            raise self._changed(name)

    def _check_room(self, name: str, size_bytes: int, folder: Path) -> None:
        free = max(shutil.disk_usage(folder).free - _RESERVE_BYTES, 0)
        if free < size_bytes:
            raise SourceError(
                f"{self.place.shown(name)} has {size_bytes >> 20:,} MB, the temporary disk has room for "
                f"{free >> 20:,} MB; give the app more temporary disk, or split the file"
            )

    @contextlib.contextmanager
    def _container(self) -> Iterator[ContainerClient]:
        from azure.core import exceptions
        from azure.storage.blob import ContainerClient

        try:
            with ContainerClient(
                self.place.account_url,
                self.place.container,
                credential=self._credential(),
                retry_total=self.storage.retries,
                permit_redirects=False,  # the library would send the token along, to whichever network
                logging_enable=False,
            ) as container:
                yield container
        except exceptions.ResourceModifiedError:
            raise self._changed(None) from None
        except exceptions.AzureError as error:
            raise self._refusal(error) from None

    def _credential(self) -> Any:
        if self.sas is not None:
            from azure.core.credentials import AzureSasCredential

            return AzureSasCredential(self.sas().strip().removeprefix("?"))
        from azure.identity import DefaultAzureCredential, ManagedIdentityCredential

        if self.storage.identity:
            return ManagedIdentityCredential(client_id=self.storage.identity)
        return DefaultAzureCredential()

    def _changed(self, name: str | None) -> SourceError:
        return SourceError(
            f"{self.place.shown(name)} changed while it was read; nothing was taken; "
            "write files under another name and rename them when they are whole, then run the job again"
        )

    def _refusal(self, error: Exception) -> FailError:
        """What Azure said, in words; never the text of the request, which may hold the token."""
        from azure.core import exceptions

        shown, who = self.place.shown(), "the SAS token" if self.sas else "the identity"
        code = getattr(error, "error_code", None) or getattr(error, "reason", None) or ""
        if isinstance(error, exceptions.ResourceNotFoundError):
            return SourceError(f"{shown} does not exist ({code}); check container and name")
        status = getattr(error, "status_code", None)
        if isinstance(error, exceptions.ClientAuthenticationError) or status in (401, 403):
            return AuthenticationError(
                f"{shown}: {who} may not read there ({code or type(error).__name__}); give it read and list: "
                "the role Storage Blob Data Reader, or a token with `rl` that has not run out"
            )
        if status is not None:
            return SourceError(f"{shown} cannot be read: the storage answered {status} ({code})")
        return SourceError(
            f"{shown} cannot be reached ({type(error).__name__}); check the account's name, its firewall, the network"
        )
