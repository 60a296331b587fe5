"""Brakes: limits that stop a job with its plan before the first write. Pure decisions over counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from shared.definitions.behaviour import Brakes
from shared.values.jobs import Brake

SHRUNKEN = Decimal("0.5")
"""A source with less than this share of the records of the last finished job is suspicious."""
EMPTIED = Decimal("0.5")
"""A column that would become empty in more than this share of its filled rows is suspicious."""

_EMPTY = "empty_source"


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """What the plan would do. Rows, except `read`, `rejected` and `previous_read` (records).

    `emptied` maps a column to (rows whose value would be cleared, rows that hold a value now).
    """

    present: int
    creates: int
    updates: int
    removals: int
    read: int
    rejected: int
    previous_read: int | None = None
    emptied: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def changes(self) -> int:
        """Everything that would be written."""
        return self.creates + self.updates + self.removals


def applied_brakes(limits: Brakes, counts: PlanCounts) -> tuple[Brake, ...]:
    """The brakes that hold this plan back; none when it may run.

    A plan that writes nothing is never held back. Creates are not limited while the destination has no row of its own:
    a first load is no accident. The floor never lets more than half of a small table be removed.
    """
    if counts.changes == 0:
        return ()
    found = [
        _share("removals", counts.removals, counts.present, limits, "rows would be removed"),
        _share("updates", counts.updates, counts.present, limits, "rows would be updated"),
        _share("rejects", counts.rejected, counts.read, limits, "records are rejected"),
        _source(limits, counts),
    ]
    if counts.present:
        found.append(_share("creates", counts.creates, counts.present, limits, "rows would be created"))
    found.extend(_emptied(name, cleared, filled, limits.at_least) for name, (cleared, filled) in counts.emptied.items())
    return tuple(brake for brake in found if brake is not None)


def settings_of(brakes: Iterable[Brake]) -> tuple[str, ...]:
    """The settings of `behaviour.brakes` that have to be raised, all of them, so that such a plan is not held back.

    An empty source passes by no setting.
    """
    names = (brake.name if brake.name in Brakes.model_fields else "at_least" for brake in brakes if not is_empty(brake))
    return tuple(dict.fromkeys(names))


def is_empty(brake: Brake) -> bool:
    """Whether the source is held for being empty."""
    return brake.name == _EMPTY


def _share(name: str, found: int, of: int, limits: Brakes, what: str) -> Brake | None:
    limit: Decimal | None = getattr(limits, name)
    if limit is None:
        return None
    floor = min(limits.at_least, of // 2) if name == "removals" else limits.at_least
    allowed = max(floor, int(of * limit))
    if found <= allowed:
        return None
    whole = "records read" if name == "rejects" else "rows of the destination"
    message = f"{found:,} {what}, of {of:,} {whole}; the brake `{name}` allows {allowed:,}"
    return Brake(name, found, of, allowed, message)


def _source(limits: Brakes, counts: PlanCounts) -> Brake | None:
    if counts.read == 0 and counts.present:
        message = f"the source is empty, the destination has {counts.present:,} rows"
        return Brake(_EMPTY, 0, counts.present, 1, message)
    previous = counts.previous_read
    if previous is None or previous - counts.read <= limits.at_least or counts.read >= previous * SHRUNKEN:
        return None
    message = f"the source has {counts.read:,} records, the last finished job read {previous:,}"
    return Brake("shrunken_source", counts.read, previous, int(previous * SHRUNKEN), message)


def _emptied(name: str, cleared: int, filled: int, floor: int) -> Brake | None:
    allowed = max(floor, int(filled * EMPTIED))
    if cleared <= allowed:
        return None
    message = f"column {name} would become empty in {cleared:,} of the {filled:,} rows that hold a value"
    return Brake(f"emptied:{name}", cleared, filled, allowed, message)


def stops_apply(limits: Brakes, *, refused: int, planned: int) -> Brake | None:
    """The brake for an apply in its course: Dataverse refuses more than the definition tolerates."""
    if limits.rejects is None:
        return None
    allowed = max(limits.at_least, int(planned * limits.rejects))
    if refused <= allowed:
        return None
    message = f"Dataverse refused {refused:,} of {planned:,} planned changes; the brake `rejects` allows {allowed:,}"
    return Brake("rejects", refused, planned, allowed, message)
