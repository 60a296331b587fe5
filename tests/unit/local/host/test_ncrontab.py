"""NCRONTAB expressions and the status of timers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local.host.functions import TimerTrigger
from local.host.ncrontab import Ncrontab
from local.host.refusals import HostError
from local.host.timers import Status, after_run, first_status

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("*/10 * * * * *", datetime(2026, 3, 4, 12, 0, 10, tzinfo=UTC)),
        ("0 */5 * * * *", datetime(2026, 3, 4, 12, 5, tzinfo=UTC)),
        ("30 9 * * mon-fri", datetime(2026, 3, 5, 9, 30, tzinfo=UTC)),
        ("0 0 0 13 * FRI", datetime(2026, 3, 13, tzinfo=UTC)),
    ],
)
def test_it_is_due_when_azure_says(text: str, due: datetime) -> None:
    """Seconds first; a day has to fit both the day of the month and the day of the week."""
    assert Ncrontab.read(text).after(NOON) == due


@pytest.mark.parametrize(
    "text", ["", "* * * *", "0 0 0 L * *", "0 0 0 ? * *", "@hourly", "0 0 0 30 2 *", "61 * * * * *"]
)
def test_what_azure_does_not_know_is_refused(text: str) -> None:
    """No last days, no question marks, no nicknames, no date that never comes."""
    with pytest.raises(HostError, match="schedule"):
        Ncrontab.read(text)


def _hourly(*, monitored: bool = True) -> TimerTrigger:
    return TimerTrigger("tick", Ncrontab("0 0 * * * *"), on_startup=False, monitored=monitored)


def test_a_timer_without_status_counts_from_now() -> None:
    """Nothing was missed; and an unmonitored one never looks back."""
    stored = Status(datetime(2026, 3, 4, 7, tzinfo=UTC), datetime(2026, 3, 4, 8, tzinfo=UTC), NOON)
    assert first_status(_hourly(), None, NOON).next == datetime(2026, 3, 4, 13, tzinfo=UTC)
    assert first_status(_hourly(monitored=False), stored, NOON).next == datetime(2026, 3, 4, 13, tzinfo=UTC)


def test_a_changed_schedule_counts_from_the_last_run() -> None:
    """What is stored as next is not believed; the schedule is asked again."""
    last = datetime(2026, 3, 4, 7, tzinfo=UTC)
    stored = Status(last, datetime(2027, 1, 1, tzinfo=UTC), last)
    assert first_status(_hourly(), stored, NOON).next == datetime(2026, 3, 4, 8, tzinfo=UTC)


def test_ticks_that_pass_while_it_runs_are_left_out() -> None:
    """The next is the first behind the run's end."""
    status = after_run(_hourly(), due=NOON, ended=datetime(2026, 3, 4, 15, 30, tzinfo=UTC))
    assert (status.last, status.next) == (NOON, datetime(2026, 3, 4, 16, tzinfo=UTC))


def test_often_enough_is_not_monitored() -> None:
    """A timer that may be due twice in a minute has no monitor."""
    assert Ncrontab("*/59 * * * * *").under_a_minute
    assert not Ncrontab("0 * * * * *").under_a_minute
