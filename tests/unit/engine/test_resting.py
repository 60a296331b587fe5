from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.engine.undoing.resting import Stand, left_in
from shared.engine.workspace import Limits, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path, limits=Limits(memory_mb=64, threads=1, disk_mb=64)) as found:
        yield found


def test_a_stand_comes_back_as_it_was(workspace: Workspace) -> None:
    """All of it, from the workspace alone; a new one holds none."""
    assert left_in(workspace) is None
    stand = Stand(3, 7, Counter(read=9, ignored=0), {"a", "b"}, {"a"}, {"c"}, True, ("x.y",), {"compare": 1.5})
    stand.leave(workspace)
    assert left_in(workspace) == stand
    stand.next_round()
    stand.leave(workspace)
    found = left_in(workspace)
    assert found is not None
    assert (found.stage, found.batches) == (4, 0)


def test_a_batch_counts_as_done_when_the_next_is_asked_for() -> None:
    """One that was begun and not ended comes again; those before it do not."""
    stand = Stand()
    batches = stand.through("abc")
    assert [next(batches), next(batches)] == ["a", "b"]
    assert stand.batches == 1
    assert list(stand.through("abc")) == ["b", "c"]
    assert stand.batches == 3
    assert "3 batches of round 1" in stand.reached
    stand.next_round()
    assert list(stand.through("de")) == ["d", "e"]
