"""At the end of a job one plain sentence says what the wall was, through every door."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from shared.cli.root import dynsync
from shared.dataverse.throughput.told import Limit
from shared.dataverse.throughput.wall import Measured
from shared.engine import running
from shared.values.jobs import Phase
from tests.e2e.conftest import World
from tests.e2e.stories import Sync
from tests.e2e.test_api_story import Cloud

SYNC = Sync(columns={"no": "text", "name": "text"}, maps={"no": "accountnumber", "name": "name"}, key=["accountnumber"])
SENTENCE = (
    "Writing: 96 % of what two application users may do; the wall was execution time; "
    "a third user would give about +48 %."
)


def test_the_sentence_is_in_report_command_line_and_api(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured while the job wrote is told in its notes, and these are shown wherever a job is."""
    took_s = 120.0
    busy = Measured(took_s, 2, 300, 15.36, 16, False, {Limit.TIME: 16.0}, dict.fromkeys(Limit, 0))
    monkeypatch.setattr(running, "measured", lambda before, after, seconds: busy)

    job = SYNC.run(world, ["A1", "One"])

    assert SENTENCE in job.notes
    assert job.timings_s[Phase.APPLY.value] < took_s
    monkeypatch.chdir(world.folder)
    terminal = CliRunner(env={**world.environ, "DYNSYNC_STATE": "state"})
    shown = terminal.invoke(dynsync, ["show", job.id])
    assert f"Note: {SENTENCE}" in " ".join(shown.stdout.split()), shown.stderr
    assert SENTENCE in json.loads(terminal.invoke(dynsync, ["show", job.id, "--json"]).stdout)["job"]["notes"]
    assert SENTENCE in Cloud(world).call("GET", f"/api/jobs/{job.id}")["notes"]


def test_a_short_job_claims_nothing(world: World) -> None:
    """Of a few requests in a second nothing is said."""
    assert not any(note.startswith("Writing:") for note in SYNC.run(world, ["A1", "One"]).notes)
