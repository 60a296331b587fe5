"""One problem with a definition, a setting or a source: where, what, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error stops a job before it starts; a warning is said and the job runs; a note is only to be known."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at `path` (dotted, list items by number: `mappings.2.target`).

    `found` says what is wrong and what was found, `remedy` what is allowed or what to do; both are whole clauses.
    """

    path: str
    found: str
    remedy: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        text = f"{self.path}: {self.found}" if self.path else self.found
        return f"{text}; {self.remedy}" if self.remedy else text
