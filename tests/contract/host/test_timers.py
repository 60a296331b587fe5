"""Timers of the local host: due ticks, missed ones made up for once, one host of several."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.contract.host.conftest import Start, copy_sample

EVERY_HOUR, EVERY_SECOND = "0 0 * * * *", "* * * * * *"


def _monitored(folder: Path, last: datetime) -> None:
    """What the monitor's file says after a run of the hourly timer."""
    due = last + timedelta(hours=1)
    kept = folder / ".dynsync" / "host"
    kept.mkdir(parents=True)
    told = {"tick": (last.isoformat(), due.isoformat(), last.isoformat())}
    (kept / "timers.json").write_text(json.dumps(told), "utf-8")


def _app(folder: Path) -> Path:
    copy_sample(folder)
    return folder


def test_a_timer_runs_when_it_is_due(start: Start) -> None:
    """Every second, each told when it ran last; and never twice for one tick."""
    host = start(ticks=EVERY_SECOND)
    host.child.said('SEEN .*"f": "tick"', times=3)
    lasts = [one["last"] for one in host.seen("tick")][1:]
    assert len(set(lasts)) == len(lasts)
    assert not any(one["past_due"] for one in host.seen("tick"))


def test_what_was_missed_is_made_up_for_once(start: Start, tmp_path: Path) -> None:
    """A timer whose last run is five hours ago runs at once, past due; and is not due again before the next hour."""
    folder = _app(tmp_path)
    _monitored(folder, datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=5))
    host = start(ticks=EVERY_HOUR, folder=folder)
    host.child.said('SEEN .*"past_due": true')
    host.child.end()
    again = start(ticks=EVERY_HOUR, folder=folder)
    kept = json.loads((folder / ".dynsync" / "host" / "timers.json").read_text("utf-8"))
    assert (len(host.seen("tick")), len(again.seen("tick"))) == (1, 0)
    assert datetime.fromisoformat(kept["tick"][1]) > datetime.now(UTC)


def test_a_new_timer_waits_for_its_time(start: Start, tmp_path: Path) -> None:
    """Without a status nothing was missed; the status is written before the first run."""
    host = start(ticks="0 0 0 1 1 *", folder=_app(tmp_path))
    assert host.child.end() == 0
    assert host.seen("tick") == []
    assert "tick" in (tmp_path / ".dynsync" / "host" / "timers.json").read_text("utf-8")


def test_a_timer_that_runs_at_the_start(start: Start, tmp_path: Path) -> None:
    """`run_on_startup`: once as the host starts, not past due; the status then counts from that run."""
    host = start(ticks=EVERY_HOUR, folder=_app(tmp_path), more={"AT_START": "yes"})
    host.child.said('SEEN .*"past_due": false')
    host.child.end()
    kept = json.loads((tmp_path / ".dynsync" / "host" / "timers.json").read_text("utf-8"))
    assert len(host.seen("tick")) == 1
    assert datetime.now(UTC) - datetime.fromisoformat(kept["tick"][0]) < timedelta(hours=1)


def test_of_two_hosts_one_has_the_timers(start: Start, tmp_path: Path) -> None:
    """The second takes over when the first is gone."""
    folder = _app(tmp_path)
    first = start(ticks=EVERY_SECOND, folder=folder)
    first.child.said('"f": "tick"')
    second = start(ticks=EVERY_SECOND, folder=folder)
    first.child.said('"f": "tick"', times=3)
    before = len(second.seen("tick"))
    first.child.kill()
    second.child.said('"f": "tick"')
    assert before == 0


@pytest.mark.parametrize("cron", ["0 0 30 2 *", "* * *", "0 0 0 L * *", "@daily"])
def test_a_wrong_schedule_is_told(start: Start, cron: str) -> None:
    """The host names the function and the expression, and does not start."""
    with pytest.raises(Exception, match="function tick: schedule"):
        start(ticks=cron)


def test_a_function_that_takes_too_long_starts_the_worker_anew(start: Start, tmp_path: Path) -> None:
    """After `functionTimeout` the process begins again with an empty head, as Azure restarts its worker."""
    folder = _app(tmp_path)
    text = (folder / "host.json").read_text("utf-8").replace("00:00:20", "00:00:01")
    host = start(folder=folder, host=text)
    import requests

    reply = requests.get(f"{host.url}/api/hold/never", timeout=30)
    host.child.said("function.overdue name=hold")
    host.child.said("listens at", times=2)
    assert reply.status_code == 500
