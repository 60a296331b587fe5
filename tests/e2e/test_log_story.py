from __future__ import annotations

import logging

import pytest

from local.dataverse import CLIENT_SECRET
from shared.dataverse.transport import Transport
from shared.values.jobs import JobState
from tests.e2e.conftest import World
from tests.e2e.stories import Sync, rejects

VALUES = ["Zaphod-1", "Zaphod-2", "Zaphod-3", "Trillian", "Marvin", "Slartibartfast", "424242"]


def test_no_secret_and_no_value_reaches_the_log(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever happens, rejects, refusals, faults, conflicts and failures: no log line holds a value, key or secret."""
    monkeypatch.setattr(Transport, "wait", lambda _self, _seconds, **_: None)
    caplog.set_level(logging.DEBUG)
    sync = Sync(
        columns={"no": "text", "name": "text", "staff": {"type": "number", "validate": True}},
        maps={"no": "accountnumber", "name": "name", "staff": "numberofemployees"},
        key=["accountnumber"],
        source={"filter": "name <> @who OR name IS NULL"},
        destination={"filter": "name ne @who"},
        rest={"variables": {"who": {"default": "Slartibartfast"}}},
    )
    one, two, three, first, second, other, number = VALUES
    for status in (429, 503):
        world.dataverse.inject({"status": status, "path": "/accounts", "count": 1})
    job = sync.run(world, [one, first, number], [two, second + "\a", ""], [three, other, "x"], ["", "", number])
    assert job.state is JobState.COMPLETED_WITH_ERRORS
    assert rejects(world, job)
    plan = sync.plan(world, [one, second, number])
    (row,) = world.dataverse.rows("account")
    world.edit("accounts", row["accountid"], {"name": "meanwhile"})
    assert world.apply(plan).source.conflict == 1
    world.dataverse.inject({"status": 500, "count": 1000, "path": "/accounts"})
    assert sync.run(world, [one, other + "!", number]).state is JobState.FAILED
    world.environ["DYNSYNC_SECRET_STORY__CLIENT_SECRET"] = "not-" + CLIENT_SECRET
    assert world.run("story").state is JobState.FAILED

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("shared")]

    assert any("job.started" in line for line in lines)
    assert any("job.failed" in line for line in lines)
    for word in [*VALUES, CLIENT_SECRET, "Bearer"]:
        assert not [line for line in lines if word in line]
