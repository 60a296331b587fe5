"""Definitions, shown and changed in the running app; and with which one a job is brought on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from shared.definitions.catalogue import Catalogue, definition_hash, text_hash
from shared.definitions.reach import Reach
from shared.definitions.sync import SyncDefinition
from shared.errors import DefinitionError, NotFoundError, RefuseError, StaleDefinitionError
from shared.ports import OutcomeStore
from shared.state.definitions import LocalDefinitions
from shared.state.events import open_database
from shared.values.definitions import Draft
from shared.values.jobs import Job, JobState
from shared.values.problems import Problem
from shared.wiring.continuing import Continuing
from shared.wiring.definitions import DefinitionDesk
from tests.unit.definitions.test_catalogue import text

NOW = datetime(2026, 3, 4, 9, 30, tzinfo=UTC)
BROKEN = ("strategy: full", "strategy: half")
ELSEWHERE = ("https://org.api", "https://other.api")


def edited(name: str = "accounts", *changes: tuple[str, str]) -> str:
    """The file's text with changes; without any, with another version."""
    found = text(name)
    for old, new in changes or (("version: 1.0.0", "version: 2.0.0"),):
        assert old in found
        found = found.replace(old, new)
    return found


@dataclass
class Desk:
    """A desk over a folder with two files, and what was asked of other systems."""

    folder: Path
    looked: list[str]
    desk: DefinitionDesk

    def file(self, name: str, content: str | None) -> None:
        path = self.folder / f"{name}.yaml"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content, encoding="utf-8")


@pytest.fixture
def world(tmp_path: Path) -> Desk:
    syncs, looked = tmp_path / "syncs", list[str]()
    syncs.mkdir()
    store = LocalDefinitions(open_database(tmp_path / "state"))

    def check(definition: SyncDefinition) -> list[Problem]:
        looked.append(definition.name)
        return [Problem("source", "is not there")]

    made = Desk(syncs, looked, DefinitionDesk(store, Catalogue(syncs, Reach(), edited=store), check, lambda: NOW))
    made.file("accounts", text("accounts"))
    made.file("contacts", text("contacts"))
    return made


@pytest.fixture
def desk(world: Desk) -> DefinitionDesk:
    return world.desk


def test_what_counts_is_shown(world: Desk, desk: DefinitionDesk) -> None:
    """A file's text, then the edit's with whether the file is another one by now, then the file's again."""
    view = desk.show("accounts")
    assert (view.text, view.revision, view.from_file, view.file, view.file_changed) == (
        *(text("accounts"), None),
        *(True, True, False),
    )
    saved = desk.save("accounts", edited(), expected=0, by="Ann", note="why not")
    view = desk.show("accounts")
    assert (view.text, view.revision, view.from_file, view.file_changed) == (edited(), saved, False, False)
    world.file("accounts", edited("accounts", ("version: 1.0.0", "version: 1.0.1-beta")))
    assert desk.show("accounts").file_changed
    world.file("accounts", None)
    assert (desk.show("accounts").file, desk.show("accounts").file_changed) == (False, True)
    world.file("accounts", text("accounts"))
    dropped = desk.save("accounts", None, expected=1, by="Bo")
    view = desk.show("accounts")
    assert (view.text, view.revision, view.from_file) == (text("accounts"), dropped, True)
    with pytest.raises(NotFoundError, match="did you mean accounts"):
        desk.show("acounts")


def test_a_broken_definition_is_shown(world: Desk, desk: DefinitionDesk) -> None:
    """With its text, so that somebody can mend it; a file that cannot be read has none to show."""
    world.file("accounts", edited("accounts", BROKEN))
    view = desk.show("accounts")
    assert [one.path for one in view.problems] == ["behaviour.strategy"]
    assert "strategy: half" in view.text
    (world.folder / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    view = desk.show("latin")
    assert view.text == ""
    assert "UTF-8" in view.problems[0].found


def test_a_revision_tells_what_became_of_it(world: Desk, desk: DefinitionDesk) -> None:
    """Who, when, why, what it means, and on which file it was made; its text is kept, and so is the file's."""
    saved = desk.save("accounts", edited(), expected=0, by="Ann", note="because")
    assert (saved.number, saved.by, saved.at, saved.note, saved.dropped) == (1, "Ann", NOW, "because", False)
    assert saved.meaning == definition_hash(desk.catalogue.get("accounts"))
    assert saved.base == text_hash(text("accounts"))
    created = desk.save("new", text("new"), expected=0, by="Ann")
    assert created.base == ""
    assert desk.revisions("accounts") == [saved]
    assert desk.revisions("accounts", before=1) == []
    assert desk.revisions("contacts") == []
    assert (desk.text("accounts", 1), desk.text("accounts", 0)) == (edited(), text("accounts"))


def test_what_is_not_there_is_not_found(desk: DefinitionDesk) -> None:
    """A text that nobody saved, a drop's, a file that is none, and a name that no sync can have."""
    desk.save("new", text("new"), expected=0, by="Ann")
    desk.save("new", None, expected=1, by="Ann")
    for sync, number in (("accounts", 1), ("accounts", -1), ("new", 2), ("new", 0), ("../etc/passwd", 1)):
        with pytest.raises(NotFoundError):
            desk.text(sync, number)
    assert [one.number for one in desk.revisions("new")] == [2, 1]
    for sync in ("nothing", "../etc/passwd", "reach"):
        with pytest.raises(NotFoundError):
            desk.revisions(sync)
    for sync in ("new", "nothing"):
        with pytest.raises(NotFoundError):
            desk.draft(sync, None)


def test_a_draft_tells_what_saving_would_be(world: Desk, desk: DefinitionDesk) -> None:
    """Whether it is sound, what an administrator has to allow, and whether a sync would come or go; nobody is asked."""
    assert desk.draft("accounts", "# hello\n" + text("accounts")).same
    assert desk.draft("accounts", edited()) == Draft("accounts")
    assert desk.draft("accounts", edited("accounts", ELSEWHERE)).guarded == ("destination.service_url",)
    broken = desk.draft("accounts", edited("accounts", BROKEN, ELSEWHERE))
    assert (broken.sound, broken.guarded) == (False, ("destination.service_url",))
    assert not desk.draft("accounts", "name: [").sound
    new = desk.draft("new", text("new"))
    assert (new.creates, new.sound, "destination.service_url" in new.guarded) == (True, True, True)
    desk.save("new", text("new"), expected=0, by="Ann")
    assert desk.draft("new", None) == Draft("new", takes_away=True)
    assert world.looked == []


def test_a_drop_is_compared_with_the_file(world: Desk, desk: DefinitionDesk) -> None:
    """What the file has otherwise may be guarded, and it may be broken by now: then it is not dropped."""
    desk.save("accounts", edited("accounts", ELSEWHERE), expected=0, by="Ann")
    drop = desk.draft("accounts", None)
    assert (drop.sound, drop.takes_away, drop.guarded, drop.same) == (True, False, ("destination.service_url",), False)
    world.file("accounts", edited("accounts", BROKEN))
    assert not desk.draft("accounts", None).sound
    with pytest.raises(DefinitionError, match="strategy"):
        desk.save("accounts", None, expected=1, by="Ann")
    world.file("accounts", edited("accounts", ELSEWHERE))
    assert desk.draft("accounts", None).same


def test_a_sync_that_is_broken_is_compared_with_nothing(world: Desk, desk: DefinitionDesk) -> None:
    """Nobody knows what was allowed there: all that is guarded counts."""
    world.file("accounts", edited("accounts", BROKEN))
    draft = desk.draft("accounts", text("accounts"))
    assert not draft.creates
    assert {"destination.service_url", "permissions.admin.0"} <= {*draft.guarded}


@pytest.mark.parametrize("name", ["reach", "No", "a--b", "../up", "a" * 61])
def test_some_names_are_none_of_a_sync(world: Desk, desk: DefinitionDesk, name: str) -> None:
    """The operator's file can never be edited, whatever a text says."""
    assert not desk.draft(name, text("accounts").replace("accounts", name)).sound
    with pytest.raises(DefinitionError):
        desk.save(name, text("accounts").replace("accounts", name), expected=0, by="Ann")
    assert desk.store.newest() == {}


def test_what_is_saved_is_sound(desk: DefinitionDesk) -> None:
    """A text with errors is refused whole, with every problem; so is one whose name is another sync's."""
    with pytest.raises(DefinitionError) as error:
        desk.save("accounts", edited("accounts", BROKEN, ("entity: account\n", "entity: ''\n")), expected=0, by="Ann")
    assert len(error.value.problems) == 2
    with pytest.raises(DefinitionError, match="not the name of this sync"):
        desk.save("accounts", text("contacts"), expected=0, by="Ann")
    assert desk.revisions("accounts") == []


def test_nobody_overwrites_what_they_have_not_seen(desk: DefinitionDesk) -> None:
    """The number of the newest revision is held against the one that was read; who was quicker is told, and when."""
    with pytest.raises(StaleDefinitionError):
        desk.save("accounts", edited(), expected=1, by="Bo")
    desk.save("accounts", edited(), expected=0, by="Ann")
    for content in (text("accounts"), edited(), None):
        with pytest.raises(StaleDefinitionError, match=r"by Ann at 2026-03-04 09:30:00 UTC"):
            desk.save("accounts", content, expected=0, by="Bo")


def test_nothing_is_saved_twice(world: Desk, desk: DefinitionDesk) -> None:
    """The text of now is refused, and a drop of what is not edited; but it may be said to count beside a new file."""
    with pytest.raises(RefuseError, match="what the definition says now"):
        desk.save("accounts", text("accounts"), expected=0, by="Ann")
    with pytest.raises(RefuseError, match="is not edited"):
        desk.save("accounts", None, expected=0, by="Ann")
    desk.save("accounts", edited(), expected=0, by="Ann")
    with pytest.raises(RefuseError, match="what the definition says now"):
        desk.save("accounts", edited(), expected=1, by="Ann")
    desk.save("accounts", "# other words\n" + edited(), expected=1, by="Ann")
    world.file("accounts", edited("accounts", ("version: 1.0.0", "version: 1.0.1-beta")))
    desk.save("accounts", "# other words\n" + edited(), expected=2, by="Ann")
    assert not desk.show("accounts").file_changed
    desk.save("accounts", None, expected=3, by="Ann")
    with pytest.raises(RefuseError, match="is not edited"):
        desk.save("accounts", None, expected=4, by="Ann")


def test_a_sync_comes_and_goes(desk: DefinitionDesk) -> None:
    """One without a file is created, taken away, and created again behind its old revisions."""
    desk.save("new", text("new"), expected=0, by="Ann")
    assert desk.catalogue.recent("new").name == "new"
    desk.save("new", None, expected=1, by="Bo")
    with pytest.raises(NotFoundError, match="taken away by Bo"):
        desk.show("new")
    with pytest.raises(NotFoundError):
        desk.catalogue.recent("new")
    with pytest.raises(StaleDefinitionError):
        desk.save("new", text("new"), expected=0, by="Ann")
    assert desk.save("new", text("new"), expected=2, by="Ann").number == 3


def test_a_look_asks_other_systems(world: Desk, desk: DefinitionDesk) -> None:
    """Source and metadata are looked at for a sound text only, whether it is a sync yet or not."""
    assert [one.path for one in desk.look("accounts", edited("accounts", BROKEN))] == ["behaviour.strategy"]
    assert world.looked == []
    assert [one.path for one in desk.look("new", text("new"))] == ["source"]
    assert world.looked == ["new"]


# ---- jobs


class Sent:
    """The chunks that were sent."""

    def __init__(self, *chunks: object) -> None:
        self._chunks = list(chunks)

    def chunks(self, _: str) -> list[object]:
        return self._chunks


def job(state: JobState, definition: SyncDefinition, **known: object) -> Job:
    made = Job("j1", "accounts", state, "Ann", NOW - timedelta(hours=1), definition_hash=definition_hash(definition))
    return replace(made, **known)  # type: ignore[arg-type]


def continuing(desk: DefinitionDesk, *chunks: object) -> Continuing:
    return Continuing(desk.catalogue, cast(OutcomeStore, Sent(*chunks)))


PLAN = {"create": 1}


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.FAILED, JobState.CANCELLED])
def test_a_job_goes_on_with_what_it_began_with(world: Desk, desk: DefinitionDesk, state: JobState) -> None:
    """After an edit, a second one, a drop, and though the sync is gone or its file is broken by now."""
    before = desk.catalogue.get("accounts")
    desk.save("accounts", edited(), expected=0, by="Ann")
    between = desk.catalogue.get("accounts")
    desk.save("accounts", edited("accounts", ("version: 1.0.0", "version: 3.0.0")), expected=1, by="Ann")
    for began in (before, between):
        assert continuing(desk).definition(job(state, began)) == began
        assert continuing(desk, "chunk").definition(job(state, began, planned=PLAN)) == began
    desk.save("accounts", None, expected=2, by="Ann")
    world.file("accounts", edited("accounts", BROKEN))
    assert continuing(desk).definition(job(state, between)) == between
    world.file("accounts", None)
    assert continuing(desk).definition(job(state, between)) == between


def test_a_queued_job_takes_it_as_it_is(desk: DefinitionDesk) -> None:
    """A definition may be mended while its jobs wait."""
    before = desk.catalogue.get("accounts")
    desk.save("accounts", edited(), expected=0, by="Ann")
    assert continuing(desk).definition(job(JobState.QUEUED, before)).version == "2.0.0"


@pytest.mark.parametrize("state", [JobState.AWAITING_APPROVAL, JobState.CANCELLED, JobState.FAILED])
def test_a_plan_of_another_definition_is_refused(desk: DefinitionDesk, state: JobState) -> None:
    """While nothing of it is written, also when it was given up meanwhile: what is approved is what the sync is now."""
    before = desk.catalogue.get("accounts")
    planned = job(state, before, planned=PLAN)
    assert continuing(desk).definition(planned) is before
    desk.save("accounts", "# only words\n" + text("accounts"), expected=0, by="Ann")
    assert continuing(desk).definition(planned) == before
    desk.save("accounts", edited(), expected=1, by="Ann")
    with pytest.raises(RefuseError, match=r"edited by Ann on 2026-03-04 09:30 UTC \(revision 2\), after job j1"):
        continuing(desk).definition(planned)
    assert continuing(desk).definition(replace(planned, created_at=NOW + timedelta(hours=1))).version == "2.0.0"


def test_a_job_tells_its_revision(desk: DefinitionDesk) -> None:
    """By what it meant; none where it ran the file's."""
    before = desk.catalogue.get("accounts")
    saved = desk.save("accounts", edited(), expected=0, by="Ann")
    ran = job(JobState.SUCCEEDED, desk.catalogue.get("accounts"))
    desk.save("accounts", edited("accounts", ("version: 1.0.0", "version: 3.0.0")), expected=1, by="Ann")
    assert desk.ran(ran) == saved
    assert desk.ran(job(JobState.SUCCEEDED, before)) is None
    assert desk.ran(replace(ran, definition_hash="")) is None
    assert desk.ran(replace(ran, finished_at=saved.at)) == saved
    assert desk.ran(replace(ran, finished_at=saved.at - timedelta(seconds=1))) is None  # its file meant the same
