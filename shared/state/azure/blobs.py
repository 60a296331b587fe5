"""One container: files of jobs, each version a blob of its own, and texts too long for a row."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.errors import StateError
from shared.state.azure.tables import worded

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

COPIES_LAST_S = 86_400.0
"""A local copy that nobody has asked for in this time is removed: no job works on one for so long."""


class Blobs:
    """The blobs of one container; raises as `Rows` does. `cache` is a folder for local copies."""

    def __init__(
        self, client: ContainerClient, cache: Path, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._cache, self._monotonic = client, cache, monotonic
        self._asked_at: dict[Path, float] = {}
        self._lock = threading.Lock()

    def create_container(self) -> None:
        """Make the container unless it is there."""
        from azure.core.exceptions import ResourceExistsError

        with worded():
            try:
                self._client.create_container()
            except ResourceExistsError:
                return

    def upload(self, job_id: str, name: str, path: Path) -> str:
        """Store a file under a name of its own; gives that name."""
        blob = f"{job_id}/files/{name}/{uuid.uuid4().hex}"
        with worded():
            try:
                with path.open("rb") as file:
                    self._client.upload_blob(blob, file, length=path.stat().st_size)
            except OSError as error:
                raise StateError(f"{path} cannot be read ({error}); it is not kept with job {job_id}") from error
        return blob

    def local(self, blob: str, name: str) -> Path:
        """A local copy, whole; the same at every call for a day at least."""
        target = self._copies(blob) / name
        self._note_asked(target.parent)
        if target.exists():
            return target
        try:
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with _beside(target) as (number, beside):
                with worded(), os.fdopen(number, "wb") as file:
                    self._client.download_blob(blob).readinto(file)
                beside.replace(target)
        except OSError as error:
            raise StateError(
                f"no local copy of {name!r} could be made ({error}); check the temporary disk and its room"
            ) from error
        return target

    def _note_asked(self, folder: Path) -> None:
        """Remember when a copy was asked for, and remove those that were not for long: an app's process lives on."""
        now = self._monotonic()
        with self._lock:
            self._asked_at[folder] = now
            for old in [one for one, asked_at in self._asked_at.items() if now - asked_at > COPIES_LAST_S]:
                del self._asked_at[old]
                shutil.rmtree(old, ignore_errors=True)

    def _copies(self, blob: str) -> Path:
        return self._cache / blob.replace("/", "!")

    def write(self, blob: str, content: bytes) -> None:
        """Store bytes under a name, in place of what is there."""
        with worded():
            self._client.upload_blob(blob, content, overwrite=True)

    def read(self, blob: str) -> bytes:
        """The bytes under a name."""
        with worded():
            return self._client.download_blob(blob).readall()

    def delete(self, blob: str) -> None:
        """Delete one blob, if it is there, and its local copy."""
        from azure.core.exceptions import ResourceNotFoundError

        shutil.rmtree(self._copies(blob), ignore_errors=True)
        with worded():
            try:
                self._client.delete_blob(blob)
            except ResourceNotFoundError:
                return

    def delete_all(self, job_id: str, kind: str) -> None:
        """Delete every blob of a job of one kind, `files` or `texts`."""
        with worded():
            names = [str(name) for name in self._client.list_blob_names(name_starts_with=f"{job_id}/{kind}/")]
        for name in names:
            self.delete(name)


@contextmanager
def _beside(target: Path) -> Iterator[tuple[int, Path]]:
    """An empty file in the folder of another, as descriptor and path; gone at the end unless it was renamed."""
    number, name = tempfile.mkstemp(prefix=".", dir=target.parent)
    try:
        yield number, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
