"""Revisions: definitions as people left them in the running app."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


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


LONGEST_NOTE = 1000
"""In characters; every store keeps that many, whatever they are."""
