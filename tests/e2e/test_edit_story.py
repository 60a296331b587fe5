"""Definitions that are edited while jobs run, plans wait and messages come."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from shared.definitions.sync import SyncDefinition
from shared.engine.applying import Applier
from shared.errors import RefuseError, StateError
from shared.state import LocalState
from shared.values.cases import ANY
from shared.values.jobs import Job, JobState
from shared.values.revisions import Revision
from shared.wiring import LocalApp
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.events import Feeds, feeds, only, put
from tests.e2e.stories import Sync, column

__all__ = ["feeds"]

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "size": {"type": "number", "validate": True}},
    maps={"no": "accountnumber", "name": "name", "size": "numberofemployees"},
    key=["accountnumber"],
    destination={"parallel": 1},
)
RECORDS = [[f"A{n:02}", f"name {n}", n] for n in range(9)]


def save(app: LocalApp, *changes: tuple[str, str], by: str = "Ann") -> Revision:
    """Edit what the definition is now."""
    view = app.definitions.show("story")
    text = view.text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    number = view.revision.number if view.revision else 0
    return app.definitions.save("story", text, expected=number, by=by)


def break_it(app: LocalApp) -> None:
    """Put what no version would save where the newest revision is kept."""
    number = app.definitions.revisions("story")[0].number + 1
    app.stores.definitions.add(Revision("story", number, "an older version", datetime.now(UTC), meaning="x"), "name: [")


def take_away(world: World) -> None:
    (world.folder / "syncs" / "story.yaml").unlink()
    app = world.app
    app.definitions.save("story", None, expected=app.definitions.revisions("story")[0].number, by="Bo")


def slice_of(world: World, job: Job, looks: int) -> Job:
    left = iter(range(looks))
    return closes(world.app.slice(job.id, progress=ignore, stopping=lambda: next(left, None) is None))


def test_a_running_job_goes_on_with_its_definition(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edited between two slices, edited again, broken, and taken away with its file, even stopped and resumed: the job
    ends as it began, on whatever machine; the revision that it ran is known."""
    monkeypatch.setattr("shared.dataverse.reading.PAGE_SIZE", 3)
    monkeypatch.setattr("shared.engine.reading.PAGES_AT_A_TIME", 2)
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=2))
    ACCOUNT.run(world, *[[no, "old", size] for no, _, size in RECORDS])
    ACCOUNT.read(world, *RECORDS)
    began = save(world.app, ("name: story", "name: story\nversion: 2.0.0"))
    job = world.app.queue("story", variables={}, files={}, started_by="timer", apply=True)
    mishaps = [
        lambda: save(
            world.app, ('{"source": "size", "target": "numberofemployees"}', '{"source": "size", "target": "fax"}')
        ),
        lambda: save(world.app, ("version: 2.0.0", "version: 4.0.0")),
        lambda: break_it(world.app),
        lambda: take_away(world),
    ]
    for looks, mishap in zip((1, 2, 3, 3), mishaps, strict=True):
        job = slice_of(world, job, looks)
        assert job.state is JobState.RUNNING
        mishap()
    store = LocalState(world.folder / "state")
    for _ in range(10):
        job = job if store.chunks(job.id) else slice_of(world, job, 2)
    assert store.chunks(job.id)
    world.app.cancel(job.id, by="Bo")
    assert slice_of(world, job, 1000).state is JobState.CANCELLED
    job = world.apply(job)
    assert (job.state, job.error, job.definition_version) == (JobState.SUCCEEDED, None, "2.0.0")
    assert column(world, "name") == {no: name for no, name, _ in RECORDS}
    assert set(column(world, "fax").values()) == {None}
    assert world.app.definitions.ran(job) == began


def test_a_job_that_another_instance_began_meanwhile_is_left_to_its_definition(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was queued when this instance chose the definition of now; the other began it before the edit."""
    ACCOUNT.read(world, *RECORDS)
    here = world.app
    job = here.queue("story", variables={}, files={}, started_by="timer", apply=True)
    chosen = here._continuing.definition

    def slowly(_: object, found: Job) -> SyncDefinition:
        monkeypatch.undo()
        assert slice_of(world, found, 1).state is JobState.RUNNING
        save(here, ('"target": "name"', '"target": "fax"'))
        return chosen(found)

    monkeypatch.setattr("shared.wiring.continuing.Continuing.definition", slowly)
    assert closes(here.slice(job.id, progress=ignore)).state is JobState.RUNNING
    assert slice_of(world, job, 1000).state is JobState.SUCCEEDED
    assert column(world, "name") == {no: name for no, name, _ in RECORDS}


def test_what_begins_after_an_edit_takes_it(world: World) -> None:
    """A plan that waited is refused and says who edited it; replay, undo and new runs follow the definition of now."""
    job = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", "many"])
    waiting = ACCOUNT.plan(world, ["A1", "Uno", 1], ["A2", "Two", "many"])
    save(
        world.app, ('"target": "name"', '"target": "fax"'), ('"key": [', '"undo": {"deactivate": "Inactive"}, "key": [')
    )
    for apply in (world.apply, lambda job: world.app.queue_apply(job.id, by="Bo")):
        with pytest.raises(RefuseError, match=rf"edited by Ann on .* \(revision 1\), after job {waiting.id}"):
            apply(waiting)
    save(world.app, ('"validate": true', '"validate": false'))
    replayed = closes(world.app.replay(job.id, ANY, started_by="otto", progress=ignore, apply=True))
    assert replayed.source.created == 1, replayed.error
    assert column(world, "fax")["A2"] == "Two"
    undone = closes(world.app.undo(job.id, started_by="otto", progress=ignore, apply=True))
    assert undone.state is JobState.SUCCEEDED, undone.error
    assert column(world, "statecode")["A1"] == 1


def test_messages_follow_an_edit_at_once(world: World, feeds: Feeds) -> None:
    """The next batch after an edit by this process is applied by it; taken away, messages of the sync are set aside."""
    feed = feeds()
    assert feed.send(put("A1", name="a", staff=1)) == only(created=1)
    line = feed.app.listening.listener("story")._line
    assert feed.send(put("A1", name="b")) == only(updated=1)
    assert feed.app.listening.listener("story")._line is line
    save(feed.app, ('"target": "name"', '"target": "fax"'))
    assert feed.send(put("A1", name="c")) == only(updated=1)
    assert (column(world, "name"), column(world, "fax")) == ({"A1": "b"}, {"A1": "c"})
    save(feed.app, ('"enabled": true', '"enabled": false'))
    assert feed.send(put("A1", name="d")) == only(parked=1)
    (world.folder / "syncs" / "story.yaml").unlink()
    feed.app.definitions.save("story", None, expected=2, by="Bo")
    assert feed.app.listening.take("story", [feed.message(put("A1", name="e"))]) is None


@contextmanager
def silent(app: LocalApp, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The store of definitions does not answer."""

    def newest(*_: object) -> None:
        raise StateError("the store does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(type(app.stores.definitions), "newest", newest)
        patch.setattr("shared.definitions.catalogue.edits.RECENT_S", -1.0)
        yield


def test_messages_come_again_while_definitions_cannot_be_looked_up(
    world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is applied, parked or set aside by a definition that may be another one by now."""
    feed = feeds()
    feed.send(put("A1", name="a", staff=1))
    with silent(feed.app, monkeypatch), pytest.raises(StateError):
        feed.send(put("A1", name="b"))
    with silent(feed.app, monkeypatch), pytest.raises(StateError):
        feed.app.queue("story", variables={}, files={}, started_by="timer", apply=True)
    assert feed.parked() == feed.rejects() == []
    assert LocalState(world.folder / "state").list(sync="story") == []
    assert feed.send(put("A1", name="b")) == only(updated=1)
