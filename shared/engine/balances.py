"""The two balances of a job: where every source record and every destination row went."""

from __future__ import annotations

from dataclasses import replace

from shared.engine.applying import Tally
from shared.engine.plan import Manifest
from shared.engine.planning import DIFFERS
from shared.engine.reconciling import Found
from shared.engine.workspace import Workspace
from shared.values.changes import Action, OutcomeStatus
from shared.values.jobs import DestinationBalance, Job, SourceBalance

_REMOVALS = {Action.DELETE: "deleted", Action.EXPIRE: "expired", Action.DEACTIVATE: "deactivated"}
_FATES = ("ignored", "outside", "asked_to_delete", "stale")


def planned_changes(workspace: Workspace) -> dict[str, int]:
    """Changes in the plan by action."""
    rows = workspace.rows("SELECT action, count(*) FROM plan GROUP BY action ORDER BY min(rowid)")
    return {str(action): count for action, count in rows if isinstance(count, int)}


def planned_source(workspace: Workspace, *, staged: int, malformed: int) -> SourceBalance:
    """The source's balance while nothing is written: what is planned is not attempted yet.

    `staged` counts the good records of the source, `malformed` those that were no records at all.
    """
    kept = workspace.value("SELECT count(*) FROM records")
    rows = workspace.rows("SELECT bucket, count(*) FROM fates GROUP BY bucket")
    fates = {str(bucket): count for bucket, count in rows if isinstance(count, int)}
    set_aside = workspace.value("SELECT count(*) FROM wanted WHERE NOT ok")
    set_aside_otherwise = workspace.value(
        "SELECT count(*) FROM wanted WHERE NOT ok AND row_no IN (SELECT row_no FROM fates)"
    )
    planned = workspace.value(
        "SELECT count(*) FROM plan WHERE row_no IS NOT NULL AND row_no NOT IN (SELECT row_no FROM fates)"
    )
    return SourceBalance(
        read=staged + malformed,
        unchanged=_unchanged(workspace),
        filtered=staged - kept,
        rejected=malformed + set_aside - set_aside_otherwise,
        not_attempted=planned,
        **{name: fates.get(name, 0) for name in _FATES},
    )


def _unchanged(workspace: Workspace) -> int:
    """Records whose row holds all their values: equal at first sight, or after a closer look."""
    at_sight = workspace.value("SELECT count(*) FROM records WHERE row_no NOT IN (SELECT row_no FROM wanted)")
    at_sight += workspace.value("SELECT count(*) FROM wanted WHERE ok AND kh NOT IN (FROM candidates)")
    looked_at = workspace.value(f"SELECT count(*) FROM diffs WHERE NOT {DIFFERS} AND NOT gone")
    return at_sight + looked_at


def planned_destination(workspace: Workspace, found: Found) -> DestinationBalance:
    """The destination's balance while nothing is written."""
    removals = workspace.value("SELECT count(*) FROM plan WHERE row_no IS NULL")
    return DestinationBalance(
        read=found.present,
        matched=found.matched,
        duplicate=found.duplicate,
        kept=found.dropped - removals,
        not_attempted=removals,
    )


def counted(job: Job, manifest: Manifest, tally: Tally) -> Job:
    """The job with its balances after an apply."""
    source, destination = applied_source(manifest.source, tally), applied_destination(manifest.destination, tally)
    return replace(job, source=source, destination=destination)


def applied_source(planned: SourceBalance, tally: Tally) -> SourceBalance:
    """The source's balance after an apply; what is in doubt counts as not attempted until it is settled."""
    records = [(*key, count) for key, count in tally.items() if key[1] and key[0] not in _REMOVALS]
    done = [(action, n) for action, _, status, n in records if status is OutcomeStatus.DONE]
    created = sum(n for action, n in done if action is Action.CREATE)
    updated = sum(n for action, n in done if action is not Action.CREATE)
    rejected = sum(n for _, _, status, n in records if status is OutcomeStatus.REJECTED)
    conflict = sum(n for _, _, status, n in records if status is OutcomeStatus.CONFLICT)
    return replace(
        planned,
        created=created,
        updated=updated,
        rejected=planned.rejected + rejected,
        conflict=planned.conflict + conflict,
        not_attempted=planned.not_attempted - created - updated - rejected - conflict,
    )


def applied_destination(planned: DestinationBalance, tally: Tally) -> DestinationBalance:
    """The destination's balance after an apply."""
    dropped = {key: count for key, count in tally.items() if not key[1]}
    done = {
        bucket: sum(n for (act, _, status), n in dropped.items() if act is action and status is OutcomeStatus.DONE)
        for action, bucket in _REMOVALS.items()
    }
    refused = sum(
        n for (_, _, status), n in dropped.items() if status in (OutcomeStatus.REJECTED, OutcomeStatus.CONFLICT)
    )
    left = planned.not_attempted - sum(done.values()) - refused
    return replace(planned, **done, refused=refused, not_attempted=left)
