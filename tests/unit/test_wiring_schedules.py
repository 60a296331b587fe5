"""What the timer asks of the product: due syncs, jobs left lying, next times."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.values.jobs import JobState
from shared.wiring import LocalApp

NOW = datetime(2026, 3, 28, 12, 0, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEFINITION = """
name: {name}
variables: {variables}
source: {{ type: delimited, path: {path}, schema: [{{ name: number }}] }}
destination:
  type: dynamics
  entity: account
  service_url: http://127.0.0.1:9
  auth: managed_identity
  id_column: accountid
mappings: [{{ source: number, target: accountnumber }}]
behaviour: {{ strategy: delta, key: [accountnumber] }}
enabled: {enabled}
schedule: {{ cron: "{cron}", time_zone: Europe/Amsterdam }}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "reach.yaml").write_text("folders: ['..']\n", "utf-8")
    return tmp_path


def define(folder: Path, name: str, *, cron: str = "0 * * * *", file: bool = False, enabled: str = "true") -> None:
    variables, path = ("{ extract: { file: true } }", '"@extract"') if file else ("{}", "a.csv")
    text = DEFINITION.format(name=name, cron=cron, variables=variables, path=path, enabled=enabled)
    (folder / "syncs" / f"{name}.yaml").write_text(text, "utf-8")


def app(folder: Path) -> LocalApp:
    return LocalApp(state=folder / "state", syncs=folder / "syncs", environ={})


def test_instances_that_tick_at_once_start_one_job(folder: Path) -> None:
    """Four apps over one store, each opened anew, as four machines have them."""
    define(folder, "accounts")
    app(folder).schedules.tick(NOW)
    apps = [app(folder) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda one: one.schedules.tick(NOW + HOUR), apps))
    (job,) = app(folder).jobs()
    assert [one.id for queued in found for one in queued] == [job.id]
    assert (job.state, job.started_by, job.to_apply) == (JobState.QUEUED, "schedule", True)
    assert job.created_at == datetime(2026, 3, 28, 13, tzinfo=UTC)  # a store knows a job by its id and this time


def test_a_sync_that_wants_a_file_tells_that_it_has_none(folder: Path) -> None:
    """A failed job with the variable's name; the others have their turn, and a broken file harms only itself."""
    define(folder, "wants", file=True)
    define(folder, "works")
    (folder / "syncs" / "broken.yaml").write_text("name: broken\n", "utf-8")
    one = app(folder)
    one.schedules.tick(NOW)
    assert [job.sync for job in one.schedules.tick(NOW + HOUR)] == ["works"]
    (failed,) = one.jobs(sync="wants")
    assert failed.state is JobState.FAILED
    assert "extract" in (failed.error or "")


def test_a_job_lies_when_nobody_works_on_it(folder: Path) -> None:
    """A fresh one has its own message under way; one that is held is at work; of several of a sync the first."""
    define(folder, "accounts")
    one = app(folder)
    made = [one.queue("accounts", variables={}, files={}, started_by="nia", apply=True) for _ in range(2)]
    now = datetime.now(UTC)
    assert one.schedules.stranded(now) == []
    assert [job.id for job in one.schedules.stranded(now + HOUR)] == [made[0].id]
    lease = one.stores.state.acquire("accounts", made[0].id, now=now, seconds=7200)
    assert app(folder).schedules.stranded(now + HOUR) == []
    one.stores.state.release(lease)
    assert [job.id for job in app(folder).schedules.stranded(now + HOUR)] == [made[0].id]
    set_back = now - timedelta(days=1000)
    assert [job.id for job in app(folder).schedules.stranded(set_back)] == [made[0].id], "its clock ran ahead"


def test_next_times(folder: Path) -> None:
    """In UTC, across the change of the clocks; none while a sync is switched off."""
    define(folder, "nightly", cron="0 30 2 * * *")
    define(folder, "off", enabled="false")
    nightly, off = app(folder).schedules.upcoming(NOW, count=2)
    assert [f"{when:%d %H:%M}" for when in nightly.next] == ["29 01:30", "30 00:30"]
    assert (off.enabled, off.next) == (False, ())
