"""The alerts' queries find what real jobs have logged."""

from __future__ import annotations

import logging

import pytest

from shared.values.jobs import JobState
from tests.e2e.conftest import World
from tests.e2e.stories import Sync
from tests.unit.infra import kql
from tests.unit.infra.test_alerts import PLACES, queries

SYNC = Sync(
    columns={"no": "text", "staff": {"type": "number", "validate": True}},
    maps={"no": "accountnumber", "staff": "numberofemployees"},
    key=["accountnumber"],
)


def test_real_jobs_raise_their_alerts(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Rejects, a brake, a plan that waits and a failure, each by its own query, from the lines that the app logged."""
    caplog.set_level(logging.INFO)
    assert SYNC.run(world, ["A1", "1"], ["A2", "x"]).state is JobState.COMPLETED_WITH_ERRORS
    dirty = "story"
    plan = SYNC.plan(world, ["A1", "2"], ["A2", "2"])
    assert plan.state is JobState.AWAITING_APPROVAL
    held = SYNC.behaving(brakes={"creates": 0, "at_least": 0}).run(world, ["A1", "1"], ["A3", "1"])
    assert held.state is JobState.AWAITING_APPROVAL
    world.dataverse.inject({"status": 403, "code": "0x80040220", "path": "organizations", "count": None})
    failed = SYNC.run(world, ["A1", "9"])
    assert failed.state is JobState.FAILED

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("shared")]
    found = {name: kql.run(query, lines, **PLACES) for name, query in queries().items()}

    assert [row["sync"] for row in found["rejects"]] == [dirty]
    assert {row["job"] for row in found["job-waits"]} == {plan.id, held.id}
    assert {row["job"] for row in found["job-failed"]} == {failed.id}
    assert found["throttled"] == found["job-stranded"] == found["lag"] == []
    jobs = {str(row["event"]): row["jobs"] for row in found["workbook jobs"]}
    assert jobs["job.failed"] == 1
    assert jobs["job.completed"] == 1
