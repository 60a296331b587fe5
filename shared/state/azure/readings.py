"""How far sources were read, in Azure Tables: the files, and the watermarks."""

from __future__ import annotations

import itertools

from shared.state.azure import keys, tables
from shared.state.azure.right import RightToWrite
from shared.state.azure.texts import packed, unpacked
from shared.state.rows import watermark_from_text
from shared.values.files import FileRead
from shared.values.jobs import Job
from shared.values.watermarks import Watermark


class AzureReadings(RightToWrite):
    """What finished jobs have read, by sync."""

    def note_files(self, job: Job) -> None:
        """Remember the files of a job that has finished."""
        self._leases.prepare(job.sync)
        self._require_right(job.sync)
        partition = keys.partition(job.sync)
        rows = {
            keys.file_read(file): {
                "PartitionKey": partition,
                "RowKey": keys.file_read(file),
                **packed(f"{len(file.name)}!{file.name}{file.version}", job.id, self._blobs),
            }
            for file in job.files
        }
        for some in itertools.batched(rows.values(), 90, strict=False):
            self._commit(job.sync, [tables.put(row) for row in some])

    def files_read(self, sync: str) -> frozenset[FileRead]:
        """All files remembered for a sync."""
        rows = self._rows.beginning(keys.partition(sync), "file!")
        return frozenset(_file(unpacked(row, self._blobs)) for row in rows)

    def watermark(self, sync: str) -> Watermark | None:
        """As far as the finished jobs have come, or None."""
        row = self._rows.get(keys.partition(sync), keys.WATERMARK)
        found = row[0] if row else {"value": ""}
        return watermark_from_text(found["column"], found["value"], found["choice"]) if found["value"] else None

    def move_watermark(self, sync: str, to: Watermark | None) -> None:
        """Put it there, or take it away."""
        self._leases.prepare(sync)
        self._require_right(sync)
        value = {"column": to.column, "value": str(to), "choice": to.choice} if to else {"column": "", "value": ""}
        row = {"PartitionKey": keys.partition(sync), "RowKey": keys.WATERMARK, **value}
        self._commit(sync, [tables.put(row)])


def _file(text: str) -> FileRead:
    length, _, rest = text.partition("!")
    return FileRead(rest[: int(length)], rest[int(length) :])
