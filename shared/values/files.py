"""Files that a job read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileRead:
    """One file: its whole name, and what changes with its content (an ETag, or time and size)."""

    name: str
    version: str
