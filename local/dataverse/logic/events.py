"""What a plug-in step is told, and what it may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from local.dataverse.refusals import Refusal

Row = Mapping[str, object]


class StepRefusedError(Exception):
    """A step refuses a write; the message is for the user."""

    def __init__(self, message: str, code: str = "0x80040265", status: int = 400) -> None:
        super().__init__(message)
        self.refusal = Refusal(status, code, message)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a write comes from: who asked, as whom, the `tag` of its URL, how deep in other logic, the request's id."""

    initiator_id: str = ""
    user_id: str = ""
    tag: str | None = None
    depth: int = 1
    correlation_id: str = ""
    bypassed: frozenset[str] = frozenset()


@dataclass(slots=True)
class Event:
    """One write of one row: `row` as it was sent (a step before the write may change it), the row `before` and `after`
    as the Web API reads it (None where there is none), `row_id` ('' before a create)."""

    message: str
    table: str
    row: dict[str, object]
    row_id: str = ""
    before: Row | None = None
    after: Row | None = None
    origin: Origin = field(default_factory=Origin)
    operation_id: str = field(default_factory=lambda: str(uuid4()))
    delay_s: float = 0.0
    write: Callable[[str, str, str, Row], str] = field(default=lambda *_: "", repr=False)

    def refuse(self, message: str) -> None:
        """Refuses the write, and all that belongs to its transaction.

        Raises:
            StepRefusedError: always.
        """
        raise StepRefusedError(message)

    def delay(self, seconds: float) -> None:
        """Makes the request take so much longer."""
        self.delay_s += seconds

    def create(self, table: str, row: Row) -> str:
        """Creates another row in the same transaction; its id."""
        return self.write("Create", table, "", row)

    def update(self, table: str, row_id: str, row: Row) -> None:
        """Changes another row (or this one, after the write) in the same transaction."""
        self.write("Update", table, row_id, row)
