"""How far sources were read, in SQLite: the files, and the watermarks."""

from __future__ import annotations

from shared.state.local.right import RightToWrite
from shared.state.rows import watermark_from_text
from shared.values.files import FileRead
from shared.values.jobs import Job
from shared.values.watermarks import Watermark

_SAVE_FILE = "INSERT INTO files_read (sync, name, version, job_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"


class LocalReadings(RightToWrite):
    """What finished jobs have read, by sync."""

    def note_files(self, job: Job) -> None:
        """Remember the files of a job that has finished."""
        rows = [(job.sync, file.name, file.version, job.id) for file in job.files]
        with self._database.writing() as connection:
            self._require_right(connection, job.sync)
            connection.executemany(_SAVE_FILE, rows)

    def files_read(self, sync: str) -> frozenset[FileRead]:
        """All files remembered for a sync."""
        rows = self._database.rows("SELECT name, version FROM files_read WHERE sync = ?", (sync,))
        return frozenset(FileRead(str(name), str(version)) for name, version in rows)

    def watermark(self, sync: str) -> Watermark | None:
        """As far as the finished jobs have come, or None."""
        rows = self._database.rows("SELECT column_name, value, choice FROM read_up_to WHERE sync = ?", (sync,))
        return watermark_from_text(*map(str, rows[0])) if rows else None

    def move_watermark(self, sync: str, to: Watermark | None) -> None:
        """Put it there, or take it away."""
        with self._database.writing() as connection:
            self._require_right(connection, sync)
            connection.execute("DELETE FROM read_up_to WHERE sync = ?", (sync,))
            if to is not None:
                row = (sync, to.column, str(to), to.choice)
                connection.execute("INSERT INTO read_up_to VALUES (?, ?, ?, ?)", row)
