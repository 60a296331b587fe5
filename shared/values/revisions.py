"""Revisions: definitions as people left them in the running app."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from shared.values.jobs import Job


@dataclass(frozen=True, slots=True)
class Revision:
    """One change of a sync's definition that was made in the app. Revisions of a sync are numbered from 1.

    `by` is who made it, for people; `at` when; `note` why, in their words. `dropped`: the sync was given back to its
    file, or, where it has none, taken away; otherwise a text is kept with the revision. `meaning` is the text's
    `definition_hash`, as jobs carry it; empty when dropped. `base` is the SHA-256 (hexadecimal) of the text of the
    sync's file in that moment; empty when it had none. The note has at most `LONGEST_NOTE` characters.
    """

    sync: str
    number: int
    by: str
    at: datetime
    note: str = ""
    dropped: bool = False
    meaning: str = ""
    base: str = ""

    def ran_in(self, job: Job) -> bool:
        """Whether the job ran what this means, and had not ended before this was made: a file may mean the same."""
        late = job.finished_at is not None and job.finished_at < self.at
        return self.meaning != "" and self.meaning == job.definition_hash and not late


LONGEST_NOTE = 1000
"""In characters; every store keeps that many, whatever they are."""
