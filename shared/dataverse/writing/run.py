"""What is known so far of the rows of one call: outcomes, doubts, and how often each was sent again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import cast

from shared.dataverse.error_dictionary import explain_refusal
from shared.dataverse.payloads import Columns, picked
from shared.dataverse.refusals import Refusal
from shared.values.changes import Outcome, OutcomeStatus, Write, WriteKind

ID_TAKEN = "a row with this id exists already"
"""How the message of a create begins whose id the table holds already (code 0x80040237)."""

FOUND = "a row with this id was found after its create had no answer"
"""The message of a create that is done for all that its id tells; whether the row is ours, its key tells."""
_plainly = tuple.__new__
"""Makes an outcome of a whole tuple of cells: its own way is written in Python and takes twice as long."""
_UNSETTLED = "no answer came, and it could not be found out whether the write was carried out"
_NOT_SENT = "not sent: the service was not available"


class Run:
    """One call of `Writer.write`. Positions count from 0 in the order of its writes. For one thread."""

    def __init__(self, kind: WriteKind, writes: Sequence[Write]) -> None:
        self.kind = kind
        self.writes = writes
        self.columns = Columns.of(writes)
        self.in_doubt: set[int] = set()
        self.resent: Counter[int] = Counter()
        self.has_etags = self.columns.guarded
        self.refused = 0
        self.settled = 0
        """How many rows have their outcome."""
        self.hints = 0
        """How often rows that a refusal named were sent by themselves."""
        self._outcomes: list[Outcome | None] = [None] * len(writes)

    @property
    def untouched(self) -> bool:
        """Whether nothing of this call can have been carried out."""
        done = any(outcome is not None and outcome.status is OutcomeStatus.DONE for outcome in self._outcomes)
        return not done and not self.in_doubt

    def open(self) -> Sequence[int]:
        """Positions without an outcome."""
        if not self.settled:
            return range(len(self.writes))
        return [position for position, outcome in enumerate(self._outcomes) if outcome is None]

    def has_etag(self, positions: Iterable[int]) -> bool:
        """Whether one of the writes depends on its row's version."""
        return self.has_etags and any(self.writes[position].etag is not None for position in positions)

    def done(self, positions: Sequence[int]) -> None:
        """They were carried out."""
        none = repeat(None)
        cells = zip(picked(self.columns.changes, positions), repeat(OutcomeStatus.DONE), *[none] * 5, strict=False)
        outcomes = map(_plainly, repeat(Outcome), cells)
        if isinstance(positions, range):
            self.settled += self._outcomes[positions.start : positions.stop].count(None)
            self._outcomes[positions.start : positions.stop] = outcomes
        else:
            for position, outcome in zip(positions, outcomes, strict=True):
                self._set(position, outcome)

    def found(self, positions: Iterable[int]) -> None:
        """Creates without an answer whose ids are there."""
        for position in positions:
            self._note(position, OutcomeStatus.DONE, message=FOUND)

    def unsettled(self, positions: Iterable[int], reason: str = _UNSETTLED) -> None:
        """Nobody knows."""
        for position in positions:
            self._note(position, OutcomeStatus.IN_DOUBT, message=reason)

    def unfit(self, position: int, reason: str) -> None:
        """It cannot be sent at all."""
        self._note(position, OutcomeStatus.REJECTED, message=reason)

    def rejected(self, position: int, refusal: Refusal, prefix: str = "") -> None:
        """Dataverse refused this row."""
        self._refused(position, OutcomeStatus.REJECTED, refusal, prefix)

    def conflict(self, position: int, refusal: Refusal) -> None:
        """The row changed since it was read."""
        self._refused(position, OutcomeStatus.CONFLICT, refusal)

    def doubtful(self, position: int, refusal: Refusal) -> None:
        """Refused now, but an earlier request without an answer may have been carried out."""
        self._refused(position, OutcomeStatus.IN_DOUBT, refusal)

    def outcomes(self) -> list[Outcome]:
        """One outcome per write, in order. What was never answered is in doubt when it was sent once."""
        for position in self.open():
            if position in self.in_doubt:
                self.unsettled([position])
            else:
                self._note(position, OutcomeStatus.NOT_ATTEMPTED, message=_NOT_SENT)
        return cast("list[Outcome]", self._outcomes)

    def _refused(self, position: int, status: OutcomeStatus, refusal: Refusal, prefix: str = "") -> None:
        self.refused += status is OutcomeStatus.REJECTED
        message = f"{prefix}: {refusal.message}" if prefix else refusal.message
        code = refusal.code or _code_by_text(refusal)
        self._set(position, Outcome(self.writes[position].change, status, code, message, refusal.request_id))

    def _note(self, position: int, status: OutcomeStatus, message: str | None = None) -> None:
        self._set(position, Outcome(self.writes[position].change, status, message=message))

    def _set(self, position: int, outcome: Outcome) -> None:
        self.settled += self._outcomes[position] is None
        self._outcomes[position] = outcome


def _code_by_text(refusal: Refusal) -> str | None:
    entry = explain_refusal(refusal)
    return (entry.code or None) if entry else None
