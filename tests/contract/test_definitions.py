"""One suite for every implementation of the memory of definitions edited in the app."""

from __future__ import annotations

import functools
import hashlib
import itertools
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from inspect import signature
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests
from azure.core.pipeline.transport import RequestsTransport
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from requests.adapters import HTTPAdapter

from shared.errors import NotFoundError, RefuseError, StaleDefinitionError, StateError
from shared.ports import KEPT_REVISIONS, DefinitionStore
from shared.state.azure import Account, opened, texts
from shared.state.azure.blobs import Blobs
from shared.state.azure.definitions import AzureDefinitions
from shared.state.azure.tables import Operation, Rows
from shared.state.database import Database
from shared.state.definitions import LocalDefinitions
from shared.state.events import open_database
from shared.values.revisions import LONGEST_NOTE, Revision
from tests import azurite
from tests.examples import examples
from tests.faults.powercut import Power, PowerCutError, power

__all__ = ["power"]
NOW = datetime(2026, 3, 29, 1, 0, 0, 1, tzinfo=UTC)
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]
FEW = settings(max_examples=examples(30), deadline=None, suppress_health_check=list(HealthCheck))
FULL = Revision(
    "accounts",
    1,
    "nia@contoso.example ü",
    datetime(2026, 10, 25, 2, 59, 59, 999999, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    "why\r\n'\u2028\x00🌍\ud800",
    meaning="ab12",
    base="cd" * 32,
)
Opener = Callable[..., DefinitionStore]


def in_azure(storage: azurite.Account, folder: Path) -> tuple[Rows, Blobs]:
    """The table and the container of a folder."""
    name = f"t{hashlib.sha256(str(folder).encode()).hexdigest()[:40]}"
    return opened(Account(connection=lambda: storage.connection, table=name, container=name))


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the memory of a folder, which keeps so many; twice the same folder is twice the same memory."""
    if request.param == "local":
        return lambda folder, kept=KEPT_REVISIONS: LocalDefinitions(open_database(folder), kept=kept)
    storage = request.getfixturevalue("storage")
    return lambda folder, kept=KEPT_REVISIONS: AzureDefinitions(*in_azure(storage, folder), kept=kept)


@pytest.fixture
def store(opener: Opener, tmp_path: Path) -> DefinitionStore:
    return opener(tmp_path)


def revision(number: int, sync: str = "accounts", **members: Any) -> Revision:
    return replace(Revision(sync, number, "nia", NOW + timedelta(minutes=number % 1000)), **members)


# ---- what is kept comes back


def test_a_revision_comes_back_exactly(opener: Opener, tmp_path: Path) -> None:
    """Also by another process's store: every member, to the microsecond and the offset; by any sync's name."""
    first, second = opener(tmp_path), opener(tmp_path)
    assert first.newest() == {}
    assert first.list("accounts") == []
    names = ["accounts", "Accounts", "account", "Ünïcode/with#signs?", "a" * 300, "..", "a!b", "head!"]
    for name, known in zip(names, itertools.accumulate(names, lambda a, b: f"{a}\n{b}"), strict=True):
        saved = replace(FULL, sync=name)
        first.add(saved, f"text of {name}")
        assert second.newest().keys() == set(known.split("\n"))
        assert second.newest()[name] == second.list(name)[0] == saved
        assert second.newest()[name].at.isoformat() == saved.at.isoformat()
        assert second.text(name, 1) == f"text of {name}"


LONGEST = 200_000
ALPHABETS = ["".join(map(chr, range(first, first + 997))) for first in (0, 0x4E00, 0x1F000, 0xD800)]


@functools.cache
def long_text(alphabet: str) -> str:
    """The longest text: of these characters, in an order that does not repeat."""
    content = hashlib.shake_256(alphabet[:1].encode("utf-8", "surrogatepass")).digest(2 * LONGEST)
    return "".join(alphabet[int.from_bytes(pair) % 997] for pair in itertools.batched(content, 2, strict=True))


COUNTER = itertools.count()


@FEW
@given(text=st.text() | st.sampled_from(["", "\r\n a: 1\r b\n\n", "\ufeffname: x\n", "\ud83c\udf0d", "\x00" * 70_000]))
def test_any_text_comes_back_to_the_character(store: DefinitionStore, text: str) -> None:
    """Signs of every kind, line endings, nothing at all."""
    sync = f"s{next(COUNTER)}"
    store.add(revision(1, sync), text)
    assert store.text(sync, 1) == text


def test_the_longest_text_comes_back_whole(store: DefinitionStore) -> None:
    """200,000 characters of any kind, also such as cannot be packed; and more, which is beyond any store's row."""
    texts = [*map(long_text, ALPHABETS), "".join(map(long_text, ALPHABETS)) * 2]
    for number, text in enumerate(texts, 1):
        store.add(revision(number), text)
    for number, text in enumerate(texts, 1):
        assert store.text("accounts", number) == text, number
    assert len(texts[0]) == LONGEST


def test_the_longest_note_is_kept_and_a_longer_one_refused(store: DefinitionStore) -> None:
    """Whatever its characters are; the refusal leaves nothing."""
    longest = revision(1, note="🌍" * LONGEST_NOTE)
    store.add(longest, "x")
    with pytest.raises(RefuseError, match=r"the note has 1,001 characters, and at most 1,000 are kept .*; shorten it"):
        store.add(revision(2, note=longest.note + "!"), "y")
    assert store.newest() == {"accounts": longest}


def test_what_is_not_there_is_said(store: DefinitionStore) -> None:
    """Texts and lists of numbers that never were, of syncs that nobody edited."""
    store.add(revision(1), "x")
    store.add(revision(2, dropped=True), "")
    assert store.text("accounts", 2) == ""
    for number in (-1, 0, 3, 10**12, 10**30):
        with pytest.raises(NotFoundError, match=f"'accounts' has no revision {number}; 1 to 2 are kept"):
            store.text("accounts", number)
    with pytest.raises(NotFoundError, match="'account' has no revision 1; its definition was never edited in the app"):
        store.text("account", 1)
    assert store.list("accounts", before=10**30) == [revision(2, dropped=True), revision(1)]
    assert [store.list("accounts", before=number) for number in (1, 0, -5)] == [[], [], []]
    assert [store.list("accounts", limit=limit) for limit in (0, -1)] == [[], []]


# ---- many


def test_only_the_newest_revisions_of_a_sync_stay(opener: Opener, tmp_path: Path) -> None:
    """The change that makes one too many forgets the oldest, at once; a smaller limit than before forgets more."""
    store = opener(tmp_path, kept=4)
    store.add(revision(1, "other"), "other")
    for number in range(1, 8):
        store.add(revision(number), f"text {number}")
        assert store.list("accounts") == [revision(one) for one in range(number, max(0, number - 4), -1)]
    assert store.newest() == {"accounts": revision(7), "other": revision(1, "other")}
    assert store.list("accounts", limit=2) == [revision(7), revision(6)]
    assert store.list("accounts", before=6, limit=1) == [revision(5)]
    assert store.text("accounts", 4) == "text 4"
    with pytest.raises(NotFoundError, match="has no revision 3; 4 to 7 are kept"):
        store.text("accounts", 3)
    smaller = opener(tmp_path, kept=2)
    smaller.add(revision(8), "text 8")
    assert smaller.list("accounts") == [revision(8), revision(7)]


def test_as_many_revisions_stay_as_is_promised(tmp_path: Path) -> None:
    """`KEPT_REVISIONS`, unless a store is told otherwise."""
    database = open_database(tmp_path)
    database.rows("PRAGMA synchronous = OFF")
    store = LocalDefinitions(database)
    for number in range(1, KEPT_REVISIONS + 2):
        store.add(revision(number), "x")
    assert [one.number for one in store.list("accounts", limit=1000)] == list(range(KEPT_REVISIONS + 1, 1, -1))
    assert signature(AzureDefinitions).parameters["kept"].default == KEPT_REVISIONS


# ---- several at once


def test_who_is_late_is_told_who_was_quicker(store: DefinitionStore) -> None:
    """Which number is there, by whom, and when; what to do. Nothing of the late one is kept."""
    with pytest.raises(StaleDefinitionError, match="'accounts' is none, and this change was made from revision 1; l"):
        store.add(revision(2), "x")
    store.add(replace(FULL, note=""), "first")
    for number in (1, 3, 0, -1, 10**30):
        with pytest.raises(StaleDefinitionError) as refused:
            store.add(revision(number), "late")
        assert str(refused.value) == (
            "the newest revision of sync 'accounts' is 1, by nia@contoso.example ü at 2026-10-24 21:14:59 UTC, and "
            f"this change was made from {f'revision {number - 1}' if number > 1 else 'none'}; look at it, then save "
            "again"
        )
    assert store.newest() == {"accounts": replace(FULL, note="")}
    assert store.list("accounts") == [replace(FULL, note="")]
    assert store.text("accounts", 1) == "first"


def test_of_savers_at_once_exactly_one_wins(opener: Opener, tmp_path: Path) -> None:
    """Each with a store of its own, in every round; what stands there is the winner's, and nothing else is."""
    stores, start = [opener(tmp_path) for _ in range(3)], Barrier(3)

    def save(saver: int, number: int) -> bool:
        start.wait()
        try:
            stores[saver].add(revision(number, by=f"saver {saver}"), f"text {saver} {number}")
        except StaleDefinitionError as refused:
            assert f"is {number}, by saver" in str(refused)
            return False
        return True

    with ThreadPoolExecutor(3) as threads:
        for number in range(1, 5):
            won = list(threads.map(functools.partial(save, number=number), range(3)))
            assert sum(won) == 1
            winner = won.index(True)
            kept = opener(tmp_path)
            assert kept.newest()["accounts"] == kept.list("accounts")[0]
            assert kept.newest()["accounts"] == revision(number, by=f"saver {winner}")
            assert kept.text("accounts", number) == f"text {winner} {number}"
            assert len(kept.list("accounts")) == number


# ---- the law

SYNCS = st.sampled_from(["a", "b"])
AHEAD = st.sampled_from([1, 1, 1, 0, -1, 2])
KEPT = 3


class Savers(RuleBasedStateMachine):
    """Two processes that save, drop and look; `kept` is what the stores are to hold, newest last."""

    open_store: Callable[[], DefinitionStore]

    def __init__(self) -> None:
        super().__init__()
        self.stores = [self.open_store(), self.open_store()]
        self.kept: dict[str, list[tuple[Revision, str]]] = {}

    @rule(
        who=st.booleans(), sync=SYNCS, ahead=st.sampled_from([1, 1, 1, 0, -1, 2]), text=st.text(), drops=st.booleans()
    )
    def save(self, who: bool, sync: str, ahead: int, text: str, drops: bool) -> None:
        kept = self.kept.get(sync, [])
        there = kept[-1][0].number if kept else 0
        new = revision(there + ahead, sync, by=str(who), note=text[:9], dropped=drops)
        if ahead == 1:
            self.stores[who].add(new, text)
            self.kept[sync] = [*kept, (new, text)][-KEPT:]
        else:
            with pytest.raises(StaleDefinitionError):
                self.stores[who].add(new, text)

    @rule(who=st.booleans(), sync=SYNCS, before=st.none() | st.integers(0, 9), limit=st.integers(0, 4))
    def look(self, who: bool, sync: str, before: int | None, limit: int) -> None:
        store = self.stores[who]
        assert store.newest() == {name: kept[-1][0] for name, kept in self.kept.items()}
        kept = [one for one, _ in reversed(self.kept.get(sync, [])) if before is None or one.number < before]
        assert store.list(sync, before=before, limit=limit) == kept[:limit]

    @rule(sync=SYNCS, number=st.integers(0, 9))
    def read(self, sync: str, number: int) -> None:
        texts = {one.number: text for one, text in self.kept.get(sync, [])}
        if number in texts:
            assert self.stores[0].text(sync, number) == texts[number]
        else:
            with pytest.raises(NotFoundError):
                self.stores[0].text(sync, number)


def test_two_savers_do_what_the_model_does(request: pytest.FixtureRequest, opener: Opener, tmp_path: Path) -> None:
    """Whatever two processes do, the store keeps, refuses and forgets what a dict would."""
    azure = "azure" in request.node.name

    def machine() -> Savers:
        folder = tmp_path / uuid.uuid4().hex
        return type("Bound", (Savers,), {"open_store": lambda _: opener(folder, kept=KEPT)})()  # type: ignore[no-any-return]

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples(3 if azure else 30),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# ---- power, and a store that is not there


@pytest.fixture
def cuttable(power: Power, monkeypatch: pytest.MonkeyPatch) -> Power:
    """The power, which passes every statement in SQLite, too, and every request to Azure."""

    class Wired:
        def __init__(self, connection: Any) -> None:
            self.execute = power.wired("statement", connection.execute)

    writing = Database.writing

    @contextmanager
    def wired(self: Database) -> Iterator[Any]:
        with writing(self) as connection:
            yield Wired(connection)
        power.point("after commit")

    monkeypatch.setattr(Database, "writing", wired)
    return power


def test_a_cut_between_any_two_writes_leaves_the_old_or_the_new(
    opener: Opener, tmp_path: Path, cuttable: Power, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Head, revision, text and what is forgotten, together; the next process saves on. (A blob may be left over.)"""
    monkeypatch.setattr(texts, "_MOST_BYTES", 10)
    dying, store = opener(tmp_path, kept=2), opener(tmp_path, kept=2)
    store.add(revision(1), "text 1, long")
    done, seen = 1, set()
    for cut_at in itertools.count(1):
        with suppress(PowerCutError), cuttable.flows(cut_at):
            dying.add(revision(done + 1, by=f"cut {cut_at}"), f"text {done + 1}, cut at {cut_at}")
        newest = store.newest()["accounts"]
        seen.add(newest.number - done)
        assert newest.number in (done, done + 1)
        if newest.number > done:
            assert newest.by == f"cut {cut_at}"
            assert store.text("accounts", newest.number) == f"text {newest.number}, cut at {cut_at}"
            done = newest.number
        kept = [one.number for one in store.list("accounts")]
        assert kept == list(range(done, max(0, done - 2), -1))
        for number in kept:
            assert store.text("accounts", number).startswith(f"text {number}, ")
        if not cuttable.dead:
            break
        store.add(revision(done + 1), f"text {done + 1}, by the next")
        done += 1
    assert seen == {0, 1}
    assert cut_at > 8


@pytest.mark.needs("azurite")
def test_a_forgotten_blob_is_deleted_also_when_the_storage_did_not_answer(
    storage: azurite.Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The change stands and says nothing of it; the sync's next change deletes it. Nor does a refused text stay."""
    monkeypatch.setattr(texts, "_MOST_BYTES", 10)
    rows, blobs = in_azure(storage, tmp_path)
    store = AzureDefinitions(rows, blobs, kept=2)

    def blobs_there() -> int:
        return len(list(blobs._client.list_blob_names()))

    for number in (1, 2, 3):
        store.add(revision(number), f"the same long text {number % 2}")
        assert blobs_there() == min(number, 2)
    with pytest.raises(StaleDefinitionError):
        store.add(revision(3), "another long text")
    assert blobs_there() == 2

    def away(*_: object) -> None:
        raise StateError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(Blobs, "delete", away)
        store.add(revision(4), "the same long text 0")
        with pytest.raises(StaleDefinitionError):
            store.add(revision(4), "the same long text 0")
        store.add(revision(5), "the same long text 1")
    assert blobs_there() == 5
    store.add(revision(6), "the same long text 0")
    assert blobs_there() == 3, "two that are kept, and the refused one's"
    assert [store.text("accounts", number)[-1] for number in (5, 6)] == ["1", "0"]


@pytest.mark.needs("azurite")
def test_a_lost_answer_is_no_rival(storage: azurite.Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that landed and was sent again is not told to its own maker as somebody else's."""
    rows, blobs = in_azure(storage, tmp_path)
    commit = Rows.commit

    def lost(self: Rows, partition: str, operations: list[Operation], **named: Any) -> list[str]:
        commit(self, partition, operations, **named)
        return commit(self, partition, operations, **named)

    monkeypatch.setattr(Rows, "commit", lost)
    store = AzureDefinitions(rows, blobs, kept=1)
    for number in (1, 2):
        store.add(revision(number), "x")
    assert store.list("accounts") == [revision(2)]


def test_a_store_that_does_not_answer_is_said(opener: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every method says so; the store says nothing else once it is back."""
    store = opener(tmp_path)
    store.add(revision(1), "x")

    def away(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no answer")

    with monkeypatch.context() as patch:
        if isinstance(store, LocalDefinitions):
            store._database.close()
        patch.setattr(HTTPAdapter, "send", away)
        patch.setattr(RequestsTransport, "sleep", lambda *_: None)
        calls: list[Callable[[], object]] = [
            store.newest,
            lambda: store.add(revision(2), "y"),
            lambda: store.text("accounts", 1),
            lambda: store.list("accounts"),
        ]
        for call in calls:
            with pytest.raises(StateError):
                call()
    assert opener(tmp_path).list("accounts") == [revision(1)]


def test_a_revision_of_a_later_version_is_said(opener: Opener, tmp_path: Path) -> None:
    """A member that this version does not know is not passed over."""
    store = opener(tmp_path)
    body = '{"sync": "accounts", "number": 1, "by": "nia", "at": "2026-01-01T00:00:00+00:00", "colour": "red"}'
    if isinstance(store, LocalDefinitions):
        with store._database.writing() as connection:
            connection.execute("INSERT INTO definitions VALUES ('accounts', ?)", (body,))
    if isinstance(store, AzureDefinitions):
        store._rows.put({"PartitionKey": "definitions", "RowKey": "head!accounts", "body": body, "forgotten": "[]"})
    with pytest.raises(StateError, match="use the version that wrote it"):
        store.newest()


def test_a_state_folder_of_an_older_version_gets_its_tables(tmp_path: Path) -> None:
    """Once, by whoever comes first; a second opener finds them."""
    database = open_database(tmp_path)
    for table in ("definitions", "definition_revisions"):
        assert database.rows("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)) == []
    with ThreadPoolExecutor(3) as threads:
        stores = list(threads.map(lambda _: LocalDefinitions(open_database(tmp_path)), range(3)))
    stores[0].add(revision(1), "x")
    assert stores[2].text("accounts", 1) == "x"
