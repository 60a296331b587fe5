"""Rejects by cause: those that say the same about the same column, counted, with a few examples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from shared.values.records import Reject, RejectType
from shared.values.wording import counted

MOST_CAUSES = 100
EXAMPLES = 5
_PARTICULARS = re.compile(r"'[^']*'|\"[^\"]*\"|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|0x[0-9a-fA-F]+|\d[\d.,]*")


@dataclass
class Cause:
    """Rejects that say the same about the same column."""

    type: str
    column: str | None
    reason: str
    rejecting: bool
    count: int = 0
    rows: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    """At most two: is the one that is shown an example only?"""
    found: list[str] = field(default_factory=list)
    more: set[str] = field(default_factory=set)
    """Of which of the three there are others than the examples."""

    def add(self, reject: Reject) -> None:
        """Count one more, and keep it as an example while there are few."""
        self.count += 1
        if len(self.reasons) < 2:
            self.reasons.add(reject.reason)
        self._keep("records", self.rows, reject.row)
        self._keep("keys", self.keys, "(none)" if reject.key == "" else reject.key)
        self._keep("found", self.found, reject.found or None)

    def _keep[T](self, title: str, examples: list[T], example: T | None) -> None:
        if example is None or example in examples:
            return
        if len(examples) < EXAMPLES:
            examples.append(example)
        else:
            self.more.add(title)


@dataclass
class Tally:
    """How many records and rows were set aside, as the balances count them. A record may have several problems."""

    records: int = 0
    conflicts: int = 0
    rows: int = 0
    lesser: int = 0
    _last: int | None = None

    def counting(self, rejects: Iterable[Reject]) -> Iterator[Reject]:
        """The same rejects, counted as they pass; those of one record come one after another."""
        for reject in rejects:
            self._count(reject)
            yield reject

    def _count(self, reject: Reject) -> None:
        if not reject.rejecting:
            self.lesser += 1
        elif reject.type is RejectType.CONFLICT:
            self.conflicts += 1
        elif reject.row is None:
            self.rows += 1
        elif reject.row != self._last:
            self.records += 1
            self._last = reject.row

    def words(self) -> str:
        """`12 records rejected, 1 conflict; 3 lesser problems reported`."""
        rejected = [f"{counted(self.records, 'record')} rejected"] * bool(self.records)
        rows = [f"{counted(self.rows, 'change')} refused"] * bool(self.rows)
        aside = ", ".join([*rejected, *rows, *[counted(self.conflicts, "conflict")] * bool(self.conflicts)])
        lesser = f"{counted(self.lesser, 'lesser problem')} reported" if self.lesser else ""
        return "; ".join(filter(None, (aside, lesser)))


def pattern(reason: str) -> str:
    """The reason without what is particular to one record: quoted texts, ids and numbers."""
    return _PARTICULARS.sub("…", reason)


def by_cause(rejects: Iterable[Reject]) -> list[Cause]:
    """The causes, the most frequent first. Beyond a hundred, the rest of a type is counted together."""
    causes: dict[tuple[object, ...], Cause] = {}
    for reject in rejects:
        name: tuple[object, ...] = (reject.type, reject.column, pattern(reject.reason), reject.rejecting)
        cause = Cause(reject.type.value, reject.column, reject.reason, reject.rejecting)
        if name not in causes and len(causes) >= MOST_CAUSES:
            name = (reject.type, reject.rejecting)
            cause = Cause(reject.type.value, None, "various other reasons", reject.rejecting)
        causes.setdefault(name, cause).add(reject)
    return sorted(causes.values(), key=lambda cause: -cause.count)
