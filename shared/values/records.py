"""What becomes of a source record that is not synced, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RejectType(StrEnum):
    """Why a record was set aside. The first seven are the field's error types; the rest is what Dataverse adds."""

    DUPLICATE_KEY = "Duplicate Key"
    MALFORMED_ROW = "Malformed Row"
    INVALID_FORMAT = "Invalid Format"
    MAX_LENGTH = "Max Length Violation"
    MANDATORY = "Mandatory Rule Violation"
    INPUT_FORMAT = "Input Format"
    UNRESOLVED_LINK = "Unresolved Link"
    AMBIGUOUS_LINK = "Ambiguous Link"
    UNKNOWN_OPTION = "Unknown Option"
    OUT_OF_RANGE = "Out of Range"
    MISSING_KEY = "Missing Key"
    EXPRESSION = "Expression Error"
    UNKNOWN_ID = "Unknown Id"
    UNKNOWN_ACTION = "Unknown Action"
    NOT_ALLOWED = "Not Allowed"
    REFUSED = "Refused by Dataverse"
    CONFLICT = "Conflict"


@dataclass(frozen=True, slots=True)
class Reject:
    """One reason why one record was set aside. `row` counts the source's records from 1; `found` is a field value.

    `source` is the record as the source told it (JSON; a line that could not be split: its text), where that is kept.
    """

    row: int | None
    key: str | None
    type: RejectType
    column: str | None
    found: str | None
    reason: str
    code: str | None = None
    request_id: str | None = None
    rejecting: bool = True
    source: str | None = None
