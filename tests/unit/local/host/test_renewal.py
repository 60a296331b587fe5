"""When a lock is renewed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from local.host.queues.renewal import Renewal

START = datetime(2026, 3, 4, 12, tzinfo=UTC)


@given(lock_s=st.integers(1, 300), longest_s=st.integers(0, 3000), late_s=st.floats(0, 0.4))
def test_a_lock_lasts_as_long_as_it_is_renewed_and_no_longer(lock_s: int, longest_s: int, late_s: float) -> None:
    """It never ends before `longest` is over, however late the renewer wakes; and ends within one lock behind that."""
    now = START
    renewals = 0

    def renew() -> datetime:
        nonlocal renewals
        renewals += 1
        return now + timedelta(seconds=lock_s)

    lock = Renewal(renew, START + timedelta(seconds=lock_s), START, timedelta(seconds=longest_s))
    while (due_in_s := lock.due_in_s(now)) is not None:
        now += timedelta(seconds=due_in_s + late_s)
        assert now < lock.until
        assert lock.keep(now)
    assert lock.until >= START + timedelta(seconds=longest_s)
    assert lock.until <= START + timedelta(seconds=longest_s + lock_s + late_s)
    assert renewals <= 2 + longest_s / min(lock_s / 2, max(lock_s - 10, 0.5))
