"""The files of every job: blobs, each named by a row."""

from __future__ import annotations

from pathlib import Path

from shared.errors import NotFoundError, StaleLeaseError, StateError
from shared.state.azure import keys, tables
from shared.state.azure.right import RightToWrite, busy
from shared.state.azure.tables import MovedRowError, Row
from shared.state.names import checked


class AzureFiles(RightToWrite):
    """Files that appear whole or not at all, while their job may be written."""

    def put(self, job_id: str, name: str, path: Path) -> None:
        """Keep the file at `path` under `name` (whole or not at all); `path` is consumed.

        The blob is there first; the row that makes it the job's file is written under the fence.
        """
        checked(name, "file name")
        checked(job_id, "job id")
        if path.is_symlink() or not path.is_file():
            raise StateError(f"{path} is not a plain file; only files can be kept with a job")
        sync = self._sync(job_id)
        older = self._rows.get(keys.partition(sync), keys.of_job("artifact", job_id, name))
        blob = self._blobs.upload(job_id, name, path)
        try:
            self._commit(sync, [tables.put(file_row(sync, job_id, name, blob))])
        except StaleLeaseError:
            self._blobs.delete(blob)
            raise
        if older is not None:
            self._blobs.delete(older[0]["blob"])
        path.unlink()

    def path(self, job_id: str, name: str) -> Path:
        """A local, readable copy. Raises `NotFoundError`."""
        checked(name, "file name")
        checked(job_id, "job id")
        sync = self._known_sync(job_id)
        row = self._rows.get(keys.partition(sync), keys.of_job("artifact", job_id, name)) if sync is not None else None
        if row is None:
            kept = ", ".join(self.names(job_id)) or "nothing"
            raise NotFoundError(f"job {job_id} keeps no {name!r}; it keeps {kept}")
        return self._blobs.local(row[0]["blob"], name)

    def names(self, job_id: str) -> list[str]:
        """The files kept for the job."""
        return [row["RowKey"].rpartition("!")[2] for row in self._of_job("artifact", job_id)]

    def drop(self, job_id: str, name: str) -> None:
        """Remove one of them; nothing happens when it is not there."""
        sync = self._sync(job_id)
        partition, key = keys.partition(sync), keys.of_job("artifact", job_id, checked(name, "file name"))
        found = self._rows.get(partition, key)
        if found is None:
            self._require_right(sync)
            return
        try:
            self._commit(sync, [tables.remove(partition, key)])
        except MovedRowError as error:
            if self._rows.get(partition, key) is not None:
                raise busy(sync) from error
        self._blobs.delete(found[0]["blob"])


def file_row(sync: str, job_id: str, name: str, blob: str) -> Row:
    """The row that makes a blob the job's file."""
    return {"PartitionKey": keys.partition(sync), "RowKey": keys.of_job("artifact", job_id, name), "blob": blob}
