"""What became of every chunk, in SQLite."""

from __future__ import annotations

import sqlite3
from typing import Any

from shared.state.local.right import RightToWrite
from shared.state.rows import exceptions_from_text, exceptions_to_text
from shared.values.changes import ChunkOutcome

_SAVE_CHUNK = """
INSERT INTO chunks (job_id, chunk, first_change, last_change, answered, exceptions) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (job_id, chunk) DO UPDATE SET first_change = excluded.first_change, last_change = excluded.last_change,
  answered = excluded.answered, exceptions = excluded.exceptions
"""


class LocalOutcomes(RightToWrite):
    """The chunks of every job."""

    def mark_sent(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably that the chunk is about to be sent: until `record`, it is in doubt."""
        self._save_chunk(job_id, chunk, answered=False)

    def record(self, job_id: str, chunk: ChunkOutcome) -> None:
        """Note durably what became of the chunk."""
        self._save_chunk(job_id, chunk, answered=chunk.answered)

    def _save_chunk(self, job_id: str, chunk: ChunkOutcome, *, answered: bool) -> None:
        exceptions = exceptions_to_text(chunk.exceptions)
        row = (job_id, chunk.chunk, chunk.first_change, chunk.last_change, int(answered), exceptions)

        def save(connection: sqlite3.Connection) -> None:
            self._require_job(connection, job_id)
            connection.execute(_SAVE_CHUNK, row)

        self._database.together(save)

    def chunks(self, job_id: str) -> list[ChunkOutcome]:
        """All chunks noted so far, by number."""
        sql = (
            "SELECT chunk, first_change, last_change, answered, exceptions FROM chunks WHERE job_id = ? ORDER BY chunk"
        )
        return [_chunk(row) for row in self._database.rows(sql, (job_id,))]


def _chunk(row: tuple[Any, ...]) -> ChunkOutcome:
    chunk, first, last, answered, exceptions = row
    return ChunkOutcome(chunk, first, last, bool(answered), exceptions_from_text(exceptions))
