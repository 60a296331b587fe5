"""The flags that ask jobs to stop, in SQLite."""

from __future__ import annotations

from shared.state import leases
from shared.state.local.right import RightToWrite, stored_job

_SAVE_CANCEL = "INSERT INTO cancels (job_id, asked_by) VALUES (?, ?) ON CONFLICT (job_id) DO NOTHING"


class LocalCancels(RightToWrite):
    """Anybody may set a flag; who has the right to write the job takes it back."""

    def ask_to_cancel(self, job_id: str, by: str) -> None:
        """Set the flag. Raises `NotFoundError`."""
        with self._database.writing() as connection:
            if stored_job(connection, job_id) is None:
                raise leases.no_job(job_id)
            connection.execute(_SAVE_CANCEL, (job_id, by))

    def cancel_asked(self, job_id: str) -> str | None:
        """Who asked, or None."""
        rows = self._database.rows("SELECT asked_by FROM cancels WHERE job_id = ?", (job_id,))
        return str(rows[0][0]) if rows else None

    def clear_cancel(self, job_id: str) -> None:
        """Take the flag back."""
        with self._writing_job(job_id) as connection:
            connection.execute("DELETE FROM cancels WHERE job_id = ?", (job_id,))
