"""Changes, what is sent for them, and what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Action(StrEnum):
    """What a change does to its row."""

    __hash__ = str.__hash__  # an enumeration's own is written in Python; these are counted by the million

    CREATE = "create"
    UPDATE = "update"
    REVIVE = "revive"
    EXPIRE = "expire"
    DEACTIVATE = "deactivate"
    DELETE = "delete"


class WriteKind(StrEnum):
    """How a change travels: three requests carry all six actions."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Write(NamedTuple):
    """One row to write; a named tuple, for there is one for every row and a frozen dataclass takes four times as long.

    `change` is the change's number in its plan; `row_id` the row's GUID, lower case without braces; `body` a JSON
    object of the members to write in wire names (`"name"`, `"parentaccountid@odata.bind"`), without the id and
    `@odata.type`; `etag`, when given, is sent as If-Match.
    """

    change: int
    row_id: str
    body: str = "{}"
    etag: str | None = None


class OutcomeStatus(StrEnum):
    """What became of one change."""

    __hash__ = str.__hash__

    DONE = "done"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    IN_DOUBT = "in_doubt"
    NOT_ATTEMPTED = "not_attempted"


class Outcome(NamedTuple):
    """What became of one change; `code`, `message` and `request_id` are Dataverse's own. A tuple, as `Write` is.

    `row_id` is the row's id when it was created under another than the planned one, was there before, or was created
    and not finished; `link` the lookup column whose row was not created.
    """

    change: int
    status: OutcomeStatus
    code: str | None = None
    message: str | None = None
    request_id: str | None = None
    row_id: str | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkOutcome:
    """A run of consecutive changes of one plan: sent, or answered.

    While `answered` is false the chunk is in doubt. `exceptions` holds the outcomes that are not plainly done as
    planned.
    """

    chunk: int
    first_change: int
    last_change: int
    answered: bool
    exceptions: tuple[Outcome, ...] = ()
