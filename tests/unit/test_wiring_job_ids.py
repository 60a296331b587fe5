"""Names of jobs."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from shared.wiring.job_ids import new_job_id


def test_ids_of_one_second_differ() -> None:
    """Many jobs may start in one second, in several instances that know nothing of each other."""
    moment = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
    ids = {new_job_id(moment) for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"20260301-123015-[0-9a-f]{8}", one) for one in ids)
