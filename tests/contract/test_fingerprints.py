"""The shelf of fingerprints over every store: the last one that a stored job points at, byte for byte, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.engine.fingerprint import shelf
from shared.engine.fingerprint.shelf import Kept
from shared.engine.fingerprint.stored import NAME
from shared.errors import StaleLeaseError
from shared.ports import State
from tests.contract.test_state import NOW, job, opener, state

__all__ = ["opener", "state"]


def keep(state: State, number: int, folder: Path, *, saved: bool = True) -> None:
    """A job makes a fingerprint of its own; `saved`: it lives long enough to say so."""
    made = job(number)
    state.save(made)
    path = folder / f"made-{number}"
    path.write_bytes(content(number))
    shelf.put(state, made, path)
    if saved:
        state.save(replace(made, fingerprint=made.id))


def content(number: int) -> bytes:
    return bytes([number]) * 70_000


def test_the_last_one_is_found_by_later_jobs(state: State, tmp_path: Path) -> None:
    """Jobs that point at none, or at an older one, do no harm; another sync has its own."""
    assert shelf.fetch(state, job(1), tmp_path) == Kept()
    keep(state, 1, tmp_path)
    keep(state, 2, tmp_path)
    for number in range(3, 15):
        state.save(job(number))
    state.save(job(15, fingerprint="job-2"))
    state.save(job(99, sync="contacts", fingerprint="job-99"))

    found = shelf.fetch(state, job(20), tmp_path)

    assert found.holder == "job-2"
    assert found.file is not None
    assert found.file.read_bytes() == content(2)


def test_older_ones_are_cleared_away(state: State, tmp_path: Path) -> None:
    """Two stay at the most: the newest, and the one it was made from."""
    for number in range(1, 6):
        keep(state, number, tmp_path)
    assert [number for number in range(1, 6) if NAME in state.names(f"job-{number}")] == [4, 5]


def test_a_job_that_died_before_it_said_so_counts_for_nothing(state: State, tmp_path: Path) -> None:
    """The one before is still there, and still the last."""
    keep(state, 1, tmp_path)
    keep(state, 2, tmp_path, saved=False)
    found = shelf.fetch(state, job(3), tmp_path)
    assert (found.holder, found.file and found.file.read_bytes()) == ("job-1", content(1))


def test_one_that_is_lost_counts_as_none(state: State, tmp_path: Path) -> None:
    """The job was removed by age, or the file is gone: nothing is remembered, and nothing fails."""
    keep(state, 1, tmp_path)
    state.drop("job-1", NAME)
    assert shelf.fetch(state, job(3), tmp_path) == Kept()
    state.save(job(2, fingerprint="job-0"))
    assert shelf.fetch(state, job(3), tmp_path) == Kept()
    keep(state, 4, tmp_path)


def test_only_the_holder_of_the_lease_keeps_one(state: State, tmp_path: Path) -> None:
    """A stalled process cannot put its own in the place of a newer one."""
    keep(state, 1, tmp_path)
    state.save(job(2))
    stale = state.acquire("accounts", "job-2", now=NOW, seconds=10)
    state.acquire("accounts", "job-3", now=NOW.replace(hour=13), seconds=10)
    (tmp_path / "late").write_bytes(b"late")
    with pytest.raises(StaleLeaseError):
        shelf.put(state.under(stale), job(2), tmp_path / "late")
    assert shelf.fetch(state, job(4), tmp_path).holder == "job-1"
