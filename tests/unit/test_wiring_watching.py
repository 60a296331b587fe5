"""What is said of jobs and listeners without anybody asking."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.state.events import PARKED, LocalListeners, LocalShelf, ShelvedPark, open_database
from shared.values.events import Event, Hold, Operation, Origin, ParkedEvent, Pulse
from shared.values.jobs import Job, JobState, Slices
from shared.wiring.watching import LONG, watch
from tests.unit.infra import kql
from tests.unit.infra.test_alerts import PLACES, queries

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
QUEUED = Job("j1", "accounts", JobState.QUEUED, "timer", NOW - LONG - timedelta(seconds=1), slices=Slices())


@dataclass
class Watcher:
    """Looks, and gives the lines that are said."""

    park: ShelvedPark
    listeners: LocalListeners
    caplog: pytest.LogCaptureFixture

    def __call__(self, *jobs: Job, syncs: tuple[str, ...] = ("accounts",)) -> list[str]:
        self.caplog.clear()
        watch(jobs, syncs=syncs, broken=["typo", "gone"], park=self.park, listeners=self.listeners, now=NOW)
        first, *others = [record.getMessage() for record in self.caplog.records]
        assert first == f"app.watched syncs={len(syncs)} broken=2"
        assert others[:2] == ["definition.broken sync=gone", "definition.broken sync=typo"]
        return others[2:]


@pytest.fixture
def said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Watcher:
    database = open_database(tmp_path)
    caplog.set_level(logging.INFO)
    return Watcher(ShelvedPark(LocalShelf(database, PARKED)), LocalListeners(database), caplog)


def test_a_job_that_nobody_begins(said: Watcher) -> None:
    """After a while."""
    (line,) = said(QUEUED)
    assert line.startswith("job.stranded sync=accounts job=j1")
    assert said(replace(QUEUED, created_at=NOW - LONG)) == []


@pytest.mark.parametrize(
    ("slices", "reason"),
    [
        (Slices(begun=1, resting=False), "died"),
        (Slices(begun=2, idle=1), "nothing done"),
        (Slices(begun=2), ""),
    ],
)
def test_a_job_that_does_not_get_on(said: Watcher, slices: Slices, reason: str) -> None:
    """Its slice died or did nothing; one that rests between slices is no trouble."""
    lines = said(replace(QUEUED, state=JobState.RUNNING, slices=slices))
    assert [reason in line for line in lines] == ([True] if reason else [])


def parked(key: str, minutes: int) -> ParkedEvent:
    event = Event("accounts", Operation.UPSERT, {}, Origin(minutes))
    return ParkedEvent(key, event, Hold.PARENT, "no parent", NOW - timedelta(minutes=minutes))


def test_the_oldest_parked_message_counts(said: Watcher) -> None:
    """Whatever its record; a sync without a listener is not spoken of."""
    assert said() == []
    said.park.put([parked("a", 5), parked("b", 90), parked("c", 1)])
    (line,) = said()
    assert "parked=3 oldest_s=5400 held_s=0 reason=none" in line


@pytest.mark.parametrize(("hold", "seconds"), [(Hold.OUTAGE, 1200), (Hold.FAILED, 1200), (Hold.PAUSED, 0)])
def test_a_held_listener(said: Watcher, hold: Hold, seconds: int) -> None:
    """How long it is held; a pause that somebody wanted is no trouble."""
    since = NOW - timedelta(minutes=20)
    said.listeners.change("accounts", lambda wish: replace(wish, hold=hold, since=since))
    (line,) = said()
    assert f"held_s={seconds}" in line


def test_lag_of_late_is_told_and_old_lag_is_not(said: Watcher) -> None:
    """A listener that has had no message for a while has no lag."""
    said.listeners.beat("accounts", Pulse({"updated": 1}, 1, NOW, NOW, lag_s=33.3))
    assert "lag_s=33 events=1" in said()[0]
    said.listeners.beat("contacts", Pulse({"updated": 1}, 1, NOW - timedelta(hours=1), NOW, lag_s=33.3))
    assert "lag_s=0 events=1" in said(syncs=("contacts",))[0]


def test_rejected_messages_are_told_as_a_sum(said: Watcher) -> None:
    """Since the listener's beginning, so that two looks tell what came between."""
    said.listeners.beat("accounts", Pulse({"updated": 8, "rejected": 2}, 1, NOW, NOW))
    first = said()
    assert first[0].endswith("events=10 rejected=2")
    assert raised("events-rejected", first) == ["accounts"]
    looks = first * 5
    assert raised("events-rejected", looks) == []
    said.listeners.beat("accounts", Pulse({"rejected": 1}, 2, NOW, NOW))
    assert raised("events-rejected", looks + said()) == ["accounts"]


def raised(alert: str, lines: list[str]) -> list[object]:
    """The syncs for which an alert's query finds something in these lines."""
    return [row["sync"] for row in kql.run(queries()[alert], lines, **PLACES)]


def test_the_alerts_find_what_is_said(said: Watcher) -> None:
    """Stranded only when it is told twice; parked and held beyond their minutes; and the app is not silent."""
    once = said(QUEUED)
    assert (raised("job-stranded", once), raised("job-stranded", once + said(QUEUED))) == ([], ["accounts"])
    said.park.put([parked("a", 90)])
    said.listeners.change("accounts", lambda wish: replace(wish, hold=Hold.OUTAGE, since=NOW - timedelta(minutes=20)))
    lines = said()
    assert raised("parked", lines) == raised("listener-stalled", lines) == ["accounts"]
    assert raised("lag", lines) == []
    said.listeners.beat("accounts", Pulse({"updated": 1}, 1, NOW, NOW, lag_s=901.4))
    assert raised("lag", said()) == ["accounts"]
    assert raised("definition-broken", [one.getMessage() for one in said.caplog.records]) == ["gone", "typo"]
    assert raised("app-silent", lines) == ["every sync"]
    assert raised("app-silent", [record.getMessage() for record in said.caplog.records]) == []
