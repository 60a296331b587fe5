"""One sentence on what held a job back, from what was measured while it wrote. Nothing else is claimed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.dataverse.throughput.lanes import LaneUse
from shared.dataverse.throughput.told import Limit

SHORTEST_S = 10.0
FEWEST_REQUESTS = 20
"""Of less than this nothing is said."""
_NEAR = 0.7
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
_NEXT = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


@dataclass(frozen=True, slots=True)
class Measured:
    """What all credentials together did in `seconds`. `at_once`: requests at a time, on average."""

    seconds: float
    users: int
    requests: int
    at_once: float
    level: int
    held_back: bool
    allowed: dict[Limit, float]
    refused: dict[Limit, int]


def measured(before: Sequence[LaneUse], after: Sequence[LaneUse], seconds: float) -> Measured:
    """The difference between two snapshots. A limit counts as allowed only when every credential has met it."""
    limits = [limit for limit in Limit if all(limit in lane.per_second for lane in after)]
    return Measured(
        seconds=seconds,
        users=len(after),
        requests=sum(b.requests - a.requests for a, b in zip(before, after, strict=True)),
        at_once=sum(b.busy_s - a.busy_s for a, b in zip(before, after, strict=True)) / max(seconds, 1e-9),
        level=sum(lane.level for lane in after),
        held_back=any(lane.held_back for lane in after),
        allowed={limit: sum(lane.per_second[limit] for lane in after) for limit in limits},
        refused={
            limit: sum(b.refused[limit] - a.refused[limit] for a, b in zip(before, after, strict=True))
            for limit in Limit
        },
    )


def sentence(found: Measured, *, cap: int | None) -> str | None:
    """What the wall was; None when too little was written to tell. `cap` is the definition's `parallel`."""
    if found.seconds < SHORTEST_S or found.requests < FEWEST_REQUESTS:
        return None
    return _quota(found) or _at_once(found, cap)


def _quota(found: Measured) -> str | None:
    """A limit of the application users was met, and most of what it allows was used."""
    used = {Limit.TIME: found.at_once, Limit.REQUESTS: found.requests / found.seconds}
    shares = {limit: used[limit] / allowed for limit, allowed in found.allowed.items() if allowed > 0}
    limit = max(shares, key=lambda one: shares[one], default=None)
    if limit is None or shares[limit] < _NEAR:
        return None
    share, users = min(shares[limit], 1.0), found.users
    return (
        f"{100 * share:.0f} % of what {_users(users)} may do; the wall was {limit}; "
        f"{_another(users)} would give about +{100 * share / users:.0f} %"
    )


def _at_once(found: Measured, cap: int | None) -> str:
    """No quota was the wall: how many requests ran at a time, and what kept them from being more."""
    running = f"{found.at_once:.1f} requests ran at a time on average"
    if cap is not None and found.level >= cap and found.at_once >= _NEAR * cap:
        return f"the wall was `parallel: {cap}` of the definition: {running}, and no limit of Dataverse was met"
    if found.at_once < _NEAR * min(found.level, cap or found.level):
        return f"Dataverse was not the wall: {running}, where {found.level} were possible"
    if found.refused[Limit.CONCURRENCY]:
        return f"the wall was {Limit.CONCURRENCY}: {running}, and Dataverse refused more"
    if found.held_back:
        return f"the wall was Dataverse's own speed: {running}, and more at a time brought no more rows"
    return f"no limit of Dataverse was met: {running}"


def _users(count: int) -> str:
    number = _COUNTS[count] if count < len(_COUNTS) else str(count)
    return f"{number} application user{'' if count == 1 else 's'}"


def _another(count: int) -> str:
    return f"a {_NEXT[count]} user" if count < len(_NEXT) else "another user"
