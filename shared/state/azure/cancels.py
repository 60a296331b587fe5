"""The flags that ask jobs to stop, in Azure Tables."""

from __future__ import annotations

from shared.state import leases
from shared.state.azure import keys
from shared.state.azure.right import RightToWrite
from shared.state.azure.texts import packed, unpacked


class AzureCancels(RightToWrite):
    """Anybody may set a flag; who has the right to write the job takes it back."""

    def ask_to_cancel(self, job_id: str, by: str) -> None:
        """Set the flag. Raises `NotFoundError`."""
        found = self._jobs.read(job_id)
        if found is None:
            raise leases.no_job(job_id)
        partition = keys.partition(found[0].sync)
        row = {"PartitionKey": partition, "RowKey": keys.of_job("cancel", job_id), **packed(by, job_id, self._blobs)}
        if self._rows.get(partition, row["RowKey"]) is None:
            self._rows.put(row)

    def cancel_asked(self, job_id: str) -> str | None:
        """Who asked, or None."""
        sync = self._known_sync(job_id)
        found = self._rows.get(keys.partition(sync), keys.of_job("cancel", job_id)) if sync is not None else None
        return unpacked(found[0], self._blobs) if found else None

    def clear_cancel(self, job_id: str) -> None:
        """Take the flag back."""
        sync = self._sync(job_id)
        self._require_right(sync)
        self._remove(sync, keys.of_job("cancel", job_id))
