"""`schedule`: when syncs are due next."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from shared.values.schedules import Upcoming
from tests.unit.cli.cases import MadeUpApp, call

SPRING = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


class _App(MadeUpApp):
    found: tuple[Upcoming, ...] = ()

    def upcoming(self) -> list[Upcoming]:
        return list(self.found)


def _app(*found: Upcoming) -> _App:
    app = _App()
    app.found = found
    return app


NIGHTLY = Upcoming("accounts", "0 30 2 * * *", "Europe/Amsterdam", True, (SPRING, SPRING.replace(day=30, hour=0)))
OFF = Upcoming("cities", "0 * * * *", "UTC", False)


def test_times_are_told_in_the_sync_s_zone_and_in_utc() -> None:
    """With the day of the week and the offset, so that a change of the clocks can be seen."""
    said = call(_app(NIGHTLY, OFF), "schedule").stdout
    assert "accounts  0 30 2 * * *  Europe/Amsterdam" in said
    assert "next Sun 2026-03-29 03:30:00 +0200 (2026-03-29 01:30:00 UTC)" in said
    assert "then Mon 2026-03-30 02:30:00 +0200 (2026-03-30 00:30:00 UTC)" in said
    assert "switched off" in said


def test_one_sync_and_json() -> None:
    """One sync by its name; as JSON with times that carry a zone; an unknown one is an error."""
    told = json.loads(call(_app(NIGHTLY, OFF), "schedule", "accounts", "--json").stdout)
    assert [one["sync"] for one in told] == ["accounts"]
    assert datetime.fromisoformat(told[0]["next"][0]) == SPRING
    missing = call(_app(NIGHTLY), "schedule", "contacts")
    assert (missing.exit_code, "no sound definition 'contacts'" in missing.stderr) == (1, True)


def test_without_schedules_it_says_how_to_make_one() -> None:
    """The line to add to a definition."""
    assert "No sync has a schedule; add `schedule:" in call(_app(), "schedule").stdout
