"""Where fingerprints lie: each with the job that made it, and later jobs point at it while it holds."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from shared.engine.fingerprint.stored import NAME
from shared.errors import DynsyncError, StaleLeaseError
from shared.log import event
from shared.ports import State
from shared.values.jobs import Job

_log = logging.getLogger(__name__)
_LOOK_BACK = 20
"""Jobs of the sync that are looked at: replays, undos and jobs that failed early point at none."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A sync's fingerprint: the job that keeps it, and a copy to read. None where there is none."""

    holder: str | None = None
    file: Path | None = None


def fetch(state: State, job: Job, folder: Path) -> Kept:
    """Copy the sync's last fingerprint into a folder; one that cannot be fetched counts as none."""
    holders = _holders(state, job)
    if not holders:
        return Kept()
    try:
        copy = folder / NAME
        shutil.copyfile(state.path(holders[0], NAME), copy)
    except StaleLeaseError:
        raise
    except (DynsyncError, OSError) as error:
        event(_log, "fingerprint.lost", level=logging.WARNING, sync=job.sync, reason=type(error).__name__)
        return Kept()
    return Kept(holders[0], copy)


def put(state: State, job: Job, path: Path) -> None:
    """Keep a new fingerprint with the job, and clear away what no later job will ask for.

    The one that this job began with stays: until the job itself is stored, it is the sync's fingerprint.
    """
    holders = _holders(state, job)
    state.put(job.id, NAME, path)
    for holder in holders[1:2]:
        state.drop(holder, NAME)


def _holders(state: State, job: Job) -> list[str]:
    """The jobs that keep fingerprints of the sync, the newest first."""
    found = [one.fingerprint for one in state.list(sync=job.sync, limit=_LOOK_BACK)]
    return list(dict.fromkeys(holder for holder in found if holder and holder != job.id))
