from __future__ import annotations

from pathlib import Path

import pytest

from shared.definitions.catalogue import Catalogue, definition_hash
from shared.definitions.reach import Reach
from shared.errors import DefinitionError, NotFoundError, StateError
from shared.values.problems import Severity
from tests.unit.definitions.edited import Shelf
from tests.unit.definitions.test_catalogue import text


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def other(name: str, version: str = "2.0.0") -> str:
    return text(name).replace("version: 1.0.0", f"version: {version}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("accounts", "contacts"):
        (tmp_path / f"{name}.yaml").write_text(text(name), encoding="utf-8")
    return tmp_path


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def catalogue(folder: Path, shelf: Shelf, clock: Clock) -> Catalogue:
    return Catalogue(folder, Reach(), edited=shelf, monotonic=clock)


def test_the_newest_revision_stands_before_the_file(catalogue: Catalogue, shelf: Shelf) -> None:
    """An edited sync is as it was edited last; a dropped one as its file, or gone where it has none."""
    shelf.save("accounts", other("accounts"), base=text("accounts"))
    shelf.save("new", text("new"))
    assert catalogue.names() == catalogue.all_names() == ["accounts", "contacts", "new"]
    assert [catalogue.get(name).version for name in ("accounts", "contacts", "new")] == ["2.0.0", "1.0.0", "1.0.0"]
    shelf.save("accounts", other("accounts", "3.0.0"))
    assert catalogue.get("accounts").version == "3.0.0"
    shelf.save("accounts", None)
    shelf.save("new", None, by="Bo")
    assert catalogue.get("accounts").version == "1.0.0"
    assert catalogue.names() == catalogue.all_names() == ["accounts", "contacts"]
    with pytest.raises(NotFoundError, match=r"no sync 'new' any more; it was taken away by Bo on 2026-03-04 09:30 UTC"):
        catalogue.get("new")


def test_a_revision_is_understood_once(catalogue: Catalogue, shelf: Shelf) -> None:
    """The same object comes for the same revision, and its text is fetched once; a new one is a new object."""
    shelf.save("accounts", other("accounts"))
    first = catalogue.get("accounts")
    assert catalogue.get("accounts") is first is catalogue.recent("accounts") is catalogue.sound()["accounts"]
    assert shelf.texts == 1
    shelf.save("accounts", other("accounts"))
    assert catalogue.get("accounts") is not first
    assert catalogue.get("accounts") == first


def test_a_restored_store_gives_its_numbers_once_more(catalogue: Catalogue, shelf: Shelf) -> None:
    """Of a copy of yesterday, what is saved next is another revision of a number that was there before."""
    shelf.save("accounts", other("accounts", "2.0.0"))
    copy = dict(shelf.kept)
    shelf.save("accounts", other("accounts", "3.0.0"), by="Ann")
    assert catalogue.get("accounts").version == "3.0.0"
    shelf.kept = dict(copy)
    shelf.save("accounts", other("accounts", "4.0.0"), by="Bo")
    assert catalogue.get("accounts").version == "4.0.0"
    shelf.kept = dict(copy)
    assert catalogue.get("accounts").version == "2.0.0"
    assert catalogue.get("accounts") is catalogue.get("accounts")


def test_a_file_is_the_same_object_until_it_changes(catalogue: Catalogue) -> None:
    """So that whoever keeps what follows from a definition can tell that it is the same."""
    assert catalogue.get("contacts") is catalogue.recent("contacts")


def test_fresh_looks_each_time_and_recent_every_five_seconds(catalogue: Catalogue, shelf: Shelf, clock: Clock) -> None:
    """One query for a fresh answer, however many syncs it is about; none for a recent one while the last is not old."""
    for look in (catalogue.names, catalogue.sound, catalogue.broken, catalogue.all_names, catalogue.edited):
        before = shelf.looks
        look()
        assert shelf.looks == before + 1
    shelf.save("accounts", other("accounts"))
    looks = shelf.looks
    clock.now += 5
    assert (catalogue.recent("accounts").version, shelf.looks) == ("1.0.0", looks)
    clock.now += 0.1
    assert (catalogue.recent("accounts").version, shelf.looks) == ("2.0.0", looks + 1)
    shelf.save("new", text("new"))
    assert "new" not in catalogue.recent_names()
    assert "new" in catalogue.names()
    assert "new" in catalogue.recent_names()


def test_a_change_of_this_process_is_seen_at_once(catalogue: Catalogue, shelf: Shelf) -> None:
    """Also by the answers that may be some seconds old, and by a look that was under way meanwhile."""
    catalogue.recent("accounts")
    shelf.save("accounts", other("accounts"))
    catalogue.changed()
    assert catalogue.recent("accounts").version == "2.0.0"

    class Slow(Shelf):
        def newest(self) -> dict[str, object]:  # type: ignore[override]
            found = dict(super().newest())
            if self.looks == 1:  # while the answer is under way, this process saves
                self.save("accounts", other("accounts"))
                slow.changed()
            return found  # type: ignore[return-value]

    slow = Catalogue(catalogue.files._folder, Reach(), edited=Slow())
    assert slow.recent("accounts").version == "1.0.0"
    assert slow.recent("accounts").version == "2.0.0"


def test_a_broken_revision_takes_out_its_own_sync(catalogue: Catalogue, shelf: Shelf) -> None:
    """A newer version may be stricter: it says that this was edited, by whom, and how it is mended or dropped."""
    shelf.save("accounts", text("accounts").replace("strategy: full", "strategy: half"), base=text("accounts"))
    shelf.save("new", "name: [")
    assert catalogue.names() == ["contacts"]
    assert catalogue.all_names() == catalogue.recent_names() == ["accounts", "contacts", "new"]
    broken = catalogue.broken()
    first, last = broken["accounts"].problems
    assert first.path == "behaviour.strategy"
    assert "edited in the app by Ann on 2026-03-04 09:30 UTC (revision 1)" in last.found
    assert "definition save accounts FILE" in last.remedy
    assert "give the sync back to its file" in last.remedy
    assert "take the sync away" in str(broken["new"])
    assert "file's name" not in str(broken)
    with pytest.raises(DefinitionError, match="edited in the app by Ann"):
        catalogue.get("accounts")
    with pytest.raises(DefinitionError, match="edited in the app by Ann"):
        catalogue.recent("accounts")


def test_a_narrower_reach_breaks_what_was_edited(folder: Path, shelf: Shelf) -> None:
    """What the operator no longer allows does not run because somebody once saved it."""
    shelf.save("accounts", text("accounts").replace("https://org.api.crm4", "https://elsewhere.api.crm4"))
    assert Catalogue(folder, Reach(), edited=shelf).broken() == {}
    narrow = Catalogue(folder, Reach(destinations=("org.api.crm4.dynamics.com",)), edited=shelf)
    assert list(narrow.broken()) == ["accounts"]
    assert "contacts" in narrow.names()


def test_a_lost_text_is_a_broken_sync(catalogue: Catalogue, shelf: Shelf) -> None:
    """A revision whose text is not there says so; as soon as it is there, the sync is."""
    revision = shelf.save("accounts", other("accounts"))
    kept = shelf.kept.pop(("accounts", 1))
    shelf.kept["accounts", 0] = (revision, "")
    assert "the text of revision 1 is not in the store" in str(catalogue.broken()["accounts"])
    shelf.kept["accounts", 1] = kept
    assert catalogue.get("accounts").version == "2.0.0"


def test_advice_tells_of_the_edit(catalogue: Catalogue, shelf: Shelf, folder: Path) -> None:
    """That a sync is edited is a note; that its file changed since, or that it has none, a warning."""

    def advice(name: str) -> list[tuple[Severity, str]]:
        return [(one.severity, one.found) for one in catalogue.advice(name)]

    assert advice("accounts") == []
    shelf.save("accounts", other("accounts"), base=text("accounts"))
    note = (Severity.NOTE, "edited in the app by Ann on 2026-03-04 09:30 UTC (revision 1)")
    assert advice("accounts") == [note]
    (folder / "accounts.yaml").write_text(other("accounts", "1.0.1-longer"), encoding="utf-8")
    assert advice("accounts") == [note, (Severity.WARNING, "its file has changed since it was edited in the app")]
    assert "definition diff accounts" in str(catalogue.advice("accounts")[1])
    (folder / "accounts.yaml").unlink()
    assert advice("accounts")[1] == (Severity.WARNING, "it has no file in syncs/, only what was edited in the app")
    shelf.save("new", text("new"))
    assert [severity for severity, _ in advice("new")] == [Severity.NOTE, Severity.WARNING]
    (folder / "new.yaml").write_text(text("new"), encoding="utf-8")
    assert advice("new")[1] == (Severity.WARNING, "its file has come since it was edited in the app")
    assert list(catalogue.edited()) == ["accounts", "new"]
    assert catalogue.edited()["new"].file_changed


def test_a_job_finds_the_definition_it_began_with(catalogue: Catalogue, shelf: Shelf, folder: Path) -> None:
    """By its hash: as it is now, the file's, or one saved once, also when the sync is dropped or broken now."""
    of_file = catalogue.get("accounts")
    shelf.save("accounts", other("accounts"))
    edited = catalogue.get("accounts")
    for _ in range(120):  # more than one page of revisions
        shelf.save("accounts", other("accounts", "3.0.0"))
    for definition in (of_file, edited, catalogue.get("accounts")):
        assert catalogue.begun("accounts", definition_hash(definition)) == definition
    shelf.save("accounts", text("accounts").replace("strategy: full", "strategy: half"))
    assert catalogue.begun("accounts", definition_hash(edited)) == edited
    (folder / "accounts.yaml").unlink()
    shelf.save("accounts", None)
    assert catalogue.begun("accounts", definition_hash(edited)) == edited
    with pytest.raises(NotFoundError, match="taken away"):
        catalogue.begun("accounts", definition_hash(of_file))


def test_what_no_job_began_with_is_as_it_is_now(catalogue: Catalogue, shelf: Shelf) -> None:
    """A hash that nobody knows gives the present definition, and so does one whose revision the reach forbids now."""
    shelf.save("accounts", other("accounts"))
    assert catalogue.begun("accounts", "").version == "2.0.0"
    assert catalogue.begun("accounts", "0" * 64).version == "2.0.0"
    outside = text("accounts").replace("https://org.api.crm4.dynamics.com", "https://elsewhere.example.com")
    revision = shelf.save("accounts", outside)
    shelf.save("accounts", other("accounts", "4.0.0"))
    assert catalogue.begun("accounts", revision.meaning).version == "4.0.0"


def test_a_store_that_does_not_answer_is_an_error(catalogue: Catalogue, shelf: Shelf, clock: Clock) -> None:
    """Nobody works with a definition that may be out of date: the call fails as when jobs cannot be read."""
    catalogue.recent("accounts")
    shelf.up = False
    assert catalogue.recent("accounts").name == "accounts"
    clock.now += 6
    for look in (catalogue.names, catalogue.recent_names, catalogue.broken, lambda: catalogue.get("accounts")):
        with pytest.raises(StateError):
            look()
    with pytest.raises(StateError):
        catalogue.recent("accounts")
