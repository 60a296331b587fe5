"""Whatever is wrong with what is remembered, the run reads everything and is right; it never fails for that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from shared.dataverse.client import DataverseClient
from shared.dataverse.tracking import Changes, ChangeTracking
from shared.engine.fingerprint.stored import NAME
from shared.errors import DestinationError
from shared.state import LocalState
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World
from tests.e2e.stories import Sync, column

TRACKED = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "new_externalkey", "name": "name"},
    key=["new_externalkey"],
    behaviour={"dropped": "delete"},
    destination={"change_tracking": True},
)
ROWS = [(f"A{number}", f"Name {number}") for number in range(30)]
EXPIRED = {"kind": "status", "status": 400, "code": "0x80044352", "text": "expired", "path": "$deltatoken"}


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def known(world: World) -> World:
    """A world whose rows are remembered."""
    TRACKED.run(world, *ROWS)
    assert was_tracked(TRACKED.run(world, *ROWS))
    return world


def was_tracked(job: Job) -> bool:
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    return "were told by change tracking" in job.notes[0]


def kept(world: World) -> Path:
    """The file that the next run will ask for."""
    holder = next(job.fingerprint for job in world.app.jobs() if job.fingerprint)
    return world.folder / "state" / "jobs" / holder / NAME


def edit(world: World, key: str, **values: object) -> None:
    ids = column(world, "accountid", key="new_externalkey")
    world.edit("accounts", ids[key], values)


def test_an_expired_link(known: World) -> None:
    """All rows are read, a new link is taken, and the run after goes by it."""
    edit(known, "A1", name="edited")
    known.dataverse.inject(EXPIRED, EXPIRED)
    job = TRACKED.run(known, *ROWS)
    assert not was_tracked(job)
    assert job.notes[0] == "all 30 rows of account were read: change tracking refused (0x80044352)"
    assert job.source.updated == 1
    again = TRACKED.run(known, *ROWS)
    assert (was_tracked(again), again.source.unchanged) == (True, 30)


def test_a_link_that_expires_between_two_pages(known: World) -> None:
    """What the first page told is forgotten; all rows are read."""
    known.dataverse.insert("account", [{"name": "no key"} for _ in range(5100)])
    edit(known, "A1", name="edited")
    known.dataverse.inject({**EXPIRED, "path": "$skiptoken"})
    job = TRACKED.run(known, *ROWS)
    assert not was_tracked(job)
    assert (job.source.updated, job.destination.read) == (1, 5130)


def refuse(*_: object, **__: object) -> object:
    raise DestinationError("change tracking is off", code="0x80072491")


def test_tracking_that_is_refused_altogether(known: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run reads all rows and says why; nothing new is kept."""
    monkeypatch.setattr(ChangeTracking, "since", refuse)
    monkeypatch.setattr(ChangeTracking, "begin", refuse)
    before = kept(known).read_bytes()
    for _ in range(2):
        job = TRACKED.run(known, *ROWS)
        assert not was_tracked(job)
        assert "change tracking refused (0x80072491)" in job.notes[0]
        assert job.source.unchanged == 30
    assert kept(known).read_bytes() == before


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [Path.unlink, cut, flip, lambda path: path.write_bytes(b""), lambda path: path.write_bytes(b"PAR1 nonsense PAR1")],
)
def test_a_file_that_is_lost_or_broken(known: World, spoil: Callable[[Path], object]) -> None:
    """All rows are read, and a whole file takes its place."""
    edit(known, "A1", name="edited")
    spoil(kept(known))
    job = TRACKED.run(known, *ROWS)
    assert (was_tracked(job), job.source.updated) == (False, 1)
    assert was_tracked(TRACKED.run(known, *ROWS))


def test_a_change_that_was_never_told(known: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample meets it, and all rows are read; a row that appeared unseen is met before it is created again."""
    edit(known, "A1", name="edited")
    whole = ChangeTracking.since
    silent = lambda self, table, link: Changes(frozenset(), frozenset(), whole(self, table, link).link)  # noqa: E731
    monkeypatch.setattr(ChangeTracking, "since", silent)
    job = TRACKED.run(known, *ROWS)
    assert (was_tracked(job), job.source.updated) == (False, 1)
    assert "a row is not as it is remembered" in job.notes[0]
    monkeypatch.undo()
    TRACKED.run(known, *ROWS)
    monkeypatch.setattr(ChangeTracking, "since", silent)
    known.dataverse.insert("account", [{"new_externalkey": "B1", "name": "B"}])
    job = TRACKED.run(known, *ROWS, ("B1", "B"))
    assert (was_tracked(job), job.source.created, job.source.unchanged) == (False, 0, 31)
    assert "a row is there that was not remembered" in job.notes[0]


def test_after_some_days_all_rows_are_read(known: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the latest when `full_read_every` has passed since the last whole read; runs between do not put it off."""
    now = DataverseClient.server_time
    for days, tracked in ((6, True), (6.9, True), (7.1, False), (13, True)):
        later: Callable[[DataverseClient], datetime] = lambda self, days=days: now(self) + timedelta(days=days)  # type: ignore[misc]  # noqa: E731
        monkeypatch.setattr(DataverseClient, "server_time", later)
        assert was_tracked(TRACKED.run(known, *ROWS)) is tracked, days


def test_another_definition_reads_all_rows(known: World) -> None:
    """Another column, filter or version: what is remembered is of another choice of rows and columns."""
    wider = TRACKED.but(columns={**TRACKED.columns, "fax": "text"}, maps={**TRACKED.maps, "fax": "fax"})
    rows = [(*row, "1") for row in ROWS]
    assert not was_tracked(wider.run(known, *rows))
    assert was_tracked(wider.run(known, *rows))
    filtered = wider.but(destination={"change_tracking": True, "filter": "name ne 'x'"})
    assert not was_tracked(filtered.run(known, *rows))
    assert was_tracked(filtered.run(known, *rows))
    assert not was_tracked(filtered.but(rest={"version": "2.0.0"}).run(known, *rows))


@pytest.mark.parametrize("instant", ["before the fingerprint is kept", "after it", "in the writes", "at the end"])
def test_a_kill_at_any_time(known: World, monkeypatch: pytest.MonkeyPatch, instant: str) -> None:
    """What is remembered and its link belong together whenever the process ends: the next run is right."""
    edit(known, "A1", name="edited")
    put, save = LocalState.put, LocalState.save

    def killing_put(self: LocalState, job_id: str, name: str, path: Path) -> None:
        if name == NAME and instant == "before the fingerprint is kept":
            raise Killed
        put(self, job_id, name, path)
        if name == NAME and instant == "after it":
            raise Killed

    def killing_save(self: LocalState, job: Job) -> None:
        if instant == "at the end" and job.state is JobState.SUCCEEDED:
            raise Killed
        save(self, job)

    monkeypatch.setattr(LocalState, "put", killing_put)
    monkeypatch.setattr(LocalState, "save", killing_save)
    if instant == "in the writes":
        monkeypatch.setattr(LocalState, "record", lambda *_: (_ for _ in ()).throw(Killed()))
    changed = [("A0", "changed"), *ROWS[1:28], ("B1", "new")]
    with pytest.raises(Killed):
        TRACKED.run(known, *changed)
    monkeypatch.undo()

    job = TRACKED.run(known, *changed)

    assert job.error is None
    assert column(known, "name", key="new_externalkey") == dict(changed)
    again = TRACKED.run(known, *changed)
    assert (was_tracked(again), again.planned) == (True, {})
