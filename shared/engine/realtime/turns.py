"""The order of a batch: events of one record take turns, what a newer one has overtaken is stale.

Messages of one key fold: events that follow each other and ask for the same become one write, column by column. A
delete between them, and every event after it, has to wait for the turn before. Pure decisions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.values.events import LedgerEntry


@dataclass(frozen=True, slots=True)
class Step:
    """One event of a batch: its row, and where it stands among the events of its record."""

    row_no: int
    entry: LedgerEntry

    @property
    def key(self) -> str:
        """The record."""
        return self.entry.key

    @property
    def delete(self) -> bool:
        """Whether it asks for a delete."""
        return self.entry.tombstone


@dataclass(frozen=True, slots=True)
class Fold:
    """Events of one record that are written as one; the last leads."""

    steps: tuple[Step, ...]

    @property
    def leader(self) -> Step:
        """The last of them, whose row stands for all."""
        return self.steps[-1]


@dataclass(slots=True)
class Turns:
    """What is stale (rows), and the turns in order: no turn holds two folds of one record."""

    stale: list[int] = field(default_factory=list)
    turns: list[list[Fold]] = field(default_factory=list)


def turns_of(steps: Iterable[Step], ledger: Mapping[str, LedgerEntry], *, fold: bool = True) -> Turns:
    """The turns of a batch, after what the ledger knows. Without `fold` every event has a turn of its own."""
    by_key: dict[str, list[Step]] = defaultdict(list)
    for step in steps:
        by_key[step.key].append(step)
    found = Turns()
    for key, own in by_key.items():
        own.sort(key=lambda step: (step.entry.number, step.entry.part))
        fresh = _fresh(own, ledger.get(key), found.stale)
        for number, folded in enumerate(_folds(fresh, fold=fold)):
            if number == len(found.turns):
                found.turns.append([])
            found.turns[number].append(folded)
    return found


def _fresh(steps: Sequence[Step], known: LedgerEntry | None, stale: list[int]) -> list[Step]:
    """The steps that nothing newer has overtaken, in order; the last one applied, come again, is overtaken too."""
    fresh = []
    for step in steps:
        entry = step.entry.behind(known)
        if known is not None and (_is_same(known, entry) or not known.gives_way_to(entry)):
            stale.append(step.row_no)
            continue
        fresh.append(Step(step.row_no, entry))
        known = entry
    return fresh


def _is_same(one: LedgerEntry, other: LedgerEntry) -> bool:
    """Whether it is the same event, delivered twice."""
    return (one.version, one.number, one.part) == (other.version, other.number, other.part)


def _folds(steps: Sequence[Step], *, fold: bool) -> list[Fold]:
    runs: list[list[Step]] = []
    for step in steps:
        if fold and runs and runs[-1][-1].delete == step.delete:
            runs[-1].append(step)
        else:
            runs.append([step])
    return [Fold(tuple(run)) for run in runs]
