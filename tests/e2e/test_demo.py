"""`make demo` with few records: the whole story through real processes."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from local.demo.files import BROKEN, first_file, year_later
from local.demo.places import places
from local.demo.stage import ROOT
from shared.state import LocalState
from shared.values.jobs import Job, JobState

RECORDS = 600


def tell(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "local.demo", "--folder", str(folder), *words]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"} | environ
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=300, check=False)


def jobs_of(folder: Path) -> list[Job]:
    state = LocalState(folder / ".dynsync")
    try:
        return state.list(limit=100)[::-1]
    finally:
        state.close()


def test_the_whole_story(tmp_path: Path) -> None:
    """Every count is what the files say; the run without changes wrote nothing; nothing is left running."""
    folder = tmp_path / "demo"
    told = tell(folder, "--records", str(RECORDS))
    assert told.returncode == 0, told.stdout + told.stderr

    countries, cities = places(RECORDS)
    first, later = first_file(cities), year_later(cities)
    jobs = jobs_of(folder)
    assert [(job.sync, job.state) for job in jobs] == [
        ("countries", JobState.SUCCEEDED),
        ("cities", JobState.SUCCEEDED),
        ("cities", JobState.SUCCEEDED),
        ("cities", JobState.SUPERSEDED),
        ("cities", JobState.COMPLETED_WITH_ERRORS),
        ("cities", JobState.COMPLETED_WITH_ERRORS),
    ]
    assert all(job.source.closes and job.destination.closes for job in jobs)
    loaded, created, same, _, applied, torn = jobs
    assert (loaded.source.created, created.source.created, same.source.unchanged) == (
        len(countries), len(first), len(first)
    )  # fmt: skip
    assert (applied.source.created, applied.source.updated) == (later.new, later.changed)
    assert (applied.source.rejected, applied.destination.deleted) == (BROKEN, later.dropped)
    assert torn.destination.deleted == 0 < torn.destination.kept
    assert re.search(r"[1-9]\d* requests in this run, 0 of them wrote", told.stdout)
    assert rows_of(folder) == len(first) + later.new - later.dropped
    assert no_one_answers(folder)


def rows_of(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "dataverse.db")) as database:
        return int(database.execute("SELECT count(*) FROM new_city").fetchone()[0])


def no_one_answers(folder: Path) -> bool:
    match = re.search(r"127\.0\.0\.1:(\d+)", (folder / "syncs" / "cities.yaml").read_text("utf-8"))
    assert match is not None
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(match[1]))) != 0


def test_a_failing_step_ends_it(tmp_path: Path) -> None:
    """A command that does not end as it must is named, with both exit codes; the demo ends with 1."""
    told = tell(tmp_path / "demo", "--records", str(RECORDS), DYNSYNC_THREADS="none")
    assert told.returncode == 1
    assert "The demo stopped: `./dynsync check countries` ended with 1 (failed)" in told.stderr
    assert no_one_answers(tmp_path / "demo")


@pytest.mark.parametrize("words", [("--records", "10"), ("--records", "many")])
def test_too_few_records_are_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    """With so few the brakes would let everything through, and the story would be another."""
    told = tell(tmp_path / "demo", *words)
    assert told.returncode == 2
    assert "at least 500" in told.stderr
