"""What became of every chunk, in Azure Tables."""

from __future__ import annotations

from shared.state.azure import keys, tables
from shared.state.azure.right import RightToWrite
from shared.state.azure.tables import Row
from shared.state.azure.texts import packed, unpacked
from shared.state.rows import exceptions_from_text, exceptions_to_text
from shared.values.changes import ChunkOutcome


class AzureOutcomes(RightToWrite):
    """The chunks of every job."""

    def mark_sent(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably that the chunk is about to be sent: until `record`, it is in doubt."""
        self._save_chunk(job_id, chunk, answered=False)

    def record(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably what became of the chunk."""
        self._save_chunk(job_id, chunk, answered=chunk.answered)

    def _save_chunk(self, job_id: str, chunk: ChunkOutcome, *, answered: bool) -> None:
        sync = self._sync(job_id)
        row = {
            "PartitionKey": keys.partition(sync),
            "RowKey": keys.of_job("chunk", job_id, f"{chunk.chunk:010}"),
            "first": str(chunk.first_change),
            "last": str(chunk.last_change),
            "answered": answered,
            **packed(exceptions_to_text(chunk.exceptions), job_id, self._blobs),
        }
        self._commit(sync, [tables.put(row)])

    def chunks(self, job_id: str) -> list[ChunkOutcome]:
        """All chunks noted so far, by number."""
        return [self._chunk(row) for row in self._of_job("chunk", job_id)]

    def _chunk(self, row: Row) -> ChunkOutcome:
        number = int(row["RowKey"].rpartition("!")[2])
        exceptions = exceptions_from_text(unpacked(row, self._blobs))
        return ChunkOutcome(number, int(row["first"]), int(row["last"]), bool(row["answered"]), exceptions)
