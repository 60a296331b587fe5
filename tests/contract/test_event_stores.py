"""One suite for every implementation of the memory of real time: ledger, park, rejected events, listeners."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.engine.realtime.claiming import applied, being_written, claimed, withdrawn, written
from shared.ports import Ledger, Listeners, Park, RejectedEvents
from shared.state.azure import Account, opened
from shared.state.azure.events import AzureLedger, AzureListeners, AzureShelf
from shared.state.events import (
    PARKED,
    REJECTED,
    LocalLedger,
    LocalListeners,
    LocalShelf,
    ShelvedPark,
    ShelvedRejects,
    open_database,
)
from shared.values.events import (
    Claim,
    Event,
    Hold,
    LedgerEntry,
    Operation,
    Origin,
    ParkedEvent,
    Pulse,
    RejectedEvent,
    Wish,
)
from shared.values.records import Reject, RejectType
from tests import azurite
from tests.examples import examples

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]
FEW = settings(max_examples=examples(15), deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Memory:
    ledger: Ledger
    park: Park
    rejected: RejectedEvents
    listeners: Listeners


Opener = Callable[[Path], Memory]


def local(folder: Path) -> Memory:
    database = open_database(folder)
    park, rejects = ShelvedPark(LocalShelf(database, PARKED)), ShelvedRejects(LocalShelf(database, REJECTED))
    return Memory(LocalLedger(database), park, rejects, LocalListeners(database))


@pytest.fixture(params=STORES)
def opener(request: pytest.FixtureRequest) -> Opener:
    """Opens the memory of a folder; twice the same folder is twice the same memory."""
    if request.param == "local":
        return local
    account: azurite.Account = request.getfixturevalue("storage")

    def azure(folder: Path) -> Memory:
        name = f"t{hashlib.sha256(str(folder).encode()).hexdigest()[:40]}"
        rows, blobs = opened(Account(connection=lambda: account.connection, table=name, container=name))
        park = ShelvedPark(AzureShelf(rows, blobs, PARKED))
        rejects = ShelvedRejects(AzureShelf(rows, blobs, REJECTED))
        return Memory(AzureLedger(rows), park, rejects, AzureListeners(rows))

    return azure


@pytest.fixture
def memory(opener: Opener, tmp_path: Path) -> Memory:
    return opener(tmp_path / "state")


def event(number: int, part: int = 0, sync: str = "accounts", **record: str | None) -> Event:
    origin = Origin(number, part, "lane-7", f"message-{number}", NOW + timedelta(seconds=number % 1000, microseconds=1))
    return Event(sync, Operation.UPSERT, record or {"no": "ü 🌍'\x00", "name": None}, origin)


def parked(key: str, number: int, part: int = 0, sync: str = "accounts") -> ParkedEvent:
    return ParkedEvent(key, event(number, part, sync), Hold.PARENT, "no account has this number", NOW)


def rejected(number: int, *, whole: bool = True) -> RejectedEvent:
    reject = Reject(None, "A1", RejectType.MAX_LENGTH, "name", "x" * 300, "too long", source='{"no":"A1"}')
    one = event(number)
    return RejectedEvent(one.sync, one.origin, reject, NOW, one if whole else None)


# ---- ledger


def test_a_ledger_entry_comes_back_exactly(opener: Opener, tmp_path: Path) -> None:
    """Another process reads what was noted, every member of it; of other syncs and keys it reads nothing."""
    entry = LedgerEntry("ab" * 20, "2025-03-01 ü", 2**62, 7, "0000-1", True, NOW, Claim("j", NOW, "ü", gone=True))
    plain = LedgerEntry("cd" * 20, "", 0)
    opener(tmp_path).ledger.change("accounts", [entry, plain], applied)
    ledger = opener(tmp_path).ledger
    assert ledger.entries("accounts", [entry.key, plain.key, "ef" * 20]) == {entry.key: entry, plain.key: plain}
    assert ledger.entries("contacts", [entry.key]) == {}
    assert ledger.entries("accounts", []) == {}


def entries(versions: st.SearchStrategy[str]) -> st.SearchStrategy[LedgerEntry]:
    row = st.sampled_from([None, "r1", "r2"])
    keys = st.sampled_from(["a", "b"])
    return st.builds(LedgerEntry, keys, versions, st.integers(0, 4), st.integers(0, 1), row, st.booleans())


VERSIONED = st.sampled_from([st.just(""), st.sampled_from(["1", "2", "3"])])
STEPS = VERSIONED.flatmap(lambda versions: st.lists(st.lists(entries(versions), max_size=3), max_size=6))


@FEW
@given(steps=STEPS)
def test_an_older_entry_never_takes_a_newer_ones_place(memory: Memory, steps: list[list[LedgerEntry]]) -> None:
    """In whatever order entries come, each record keeps what the rule of `gives_way_to` leaves."""
    sync = f"s{next(COUNTER)}"
    kept: dict[str, LedgerEntry] = {}
    for step in steps:
        memory.ledger.change(sync, step, applied)
        for entry in step:
            if entry.key not in kept or kept[entry.key].gives_way_to(entry):
                kept[entry.key] = entry
    assert memory.ledger.entries(sync, ["a", "b"]) == kept


COUNTER = itertools.count()


def test_an_entry_without_a_version_leaves_the_known_one(memory: Memory) -> None:
    """A partial event that told none does not make the record forget how new it is."""
    memory.ledger.change("accounts", [LedgerEntry("a", "5", 1), LedgerEntry("b", "", 1)], applied)
    memory.ledger.change("accounts", [LedgerEntry("a", "", 2, tombstone=True), LedgerEntry("b", "", 2)], applied)
    memory.ledger.change("accounts", [LedgerEntry("a", "4", 3)], applied)
    found = memory.ledger.entries("accounts", ["a", "b"])
    assert found == {"a": LedgerEntry("a", "5", 2, tombstone=True), "b": LedgerEntry("b", "", 2)}


def test_a_ledger_of_before_claims_is_kept(tmp_path: Path) -> None:
    """A store of an older version gets the new column, once, and keeps what it knows."""
    known = LedgerEntry("a", "5", 1, at=NOW)
    local(tmp_path).ledger.change("accounts", [known], applied)
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("ALTER TABLE ledger DROP COLUMN claim")
    for _ in range(2):
        assert local(tmp_path).ledger.entries("accounts", ["a"]) == {"a": known}
    claim = replace(known, claim=Claim("j", NOW, "6"))
    local(tmp_path).ledger.change("accounts", [claim], claimed)
    assert local(tmp_path).ledger.entries("accounts", ["a"]) == {"a": claim}


def test_many_records_go_in_one_call(memory: Memory) -> None:
    """More than one transaction or one statement takes."""
    entries = [LedgerEntry(f"{number:040x}", "", number) for number in range(1, 251)]
    memory.ledger.change("accounts", entries, applied)
    assert memory.ledger.entries("accounts", [e.key for e in entries]) == {e.key: e for e in entries}


def test_two_that_advance_at_once_leave_the_newest(opener: Opener, tmp_path: Path) -> None:
    """Processes that write the same records side by side do not undo each other."""
    stores = [opener(tmp_path).ledger for _ in range(2)]
    numbers = list(range(1, 31))
    with ThreadPoolExecutor(6) as pool:
        jobs = [
            pool.submit(
                stores[n % 2].change, "accounts", [LedgerEntry("a", "", n), LedgerEntry("b", "", 31 - n)], applied
            )
            for n in numbers
        ]
    for job in jobs:
        job.result()
    found = opener(tmp_path).ledger.entries("accounts", ["a", "b"])
    assert {key: entry.number for key, entry in found.items()} == {"a": 30, "b": 30}


def test_a_claim_counts_only_when_it_was_written(opener: Opener, tmp_path: Path) -> None:
    """Seen by every process; settled, the version counts of what was written, and what was not is as it was before."""
    job, listener = (opener(tmp_path).ledger for _ in range(2))
    listener.change("accounts", [LedgerEntry(key, "3", 8) for key in "abc"], applied)
    claims = [LedgerEntry(key, "", 0, claim=Claim("j", NOW, "5", gone=key == "a")) for key in "abd"]
    newer = LedgerEntry("c", "", 0, claim=Claim("j", NOW, "2"))
    assert job.change("accounts", [*claims, newer], claimed) == {"c"}
    before = listener.entries("accounts", "abcd")
    assert {key: entry.claim and entry.claim.version for key, entry in before.items()} == {
        "a": "5", "b": "5", "c": None, "d": "5"
    }  # fmt: skip
    assert {key: entry.version for key, entry in before.items()} == {"a": "3", "b": "3", "c": "3", "d": ""}
    crossing = [LedgerEntry("a", "4", 9), LedgerEntry("c", "4", 9)]
    assert listener.change("accounts", crossing, applied) == {"a"}
    job.change("accounts", [claims[0]], written)
    job.change("accounts", claims[1:], withdrawn)
    assert listener.change("accounts", crossing[:1], applied) == {"a"}
    after = listener.entries("accounts", "abcd")
    assert {key: (entry.version, entry.number, entry.tombstone) for key, entry in after.items()} == {
        "a": ("5", 8, True), "b": ("3", 8, False), "c": ("4", 9, False), "d": ("", 0, False)
    }  # fmt: skip
    assert not any(being_written(entry, NOW) for entry in after.values())
    assert listener.change("accounts", [LedgerEntry("a", "6", 1).behind(after["a"])], applied) == frozenset()


def test_what_was_read_before_is_no_reason_to_leave_a_claim(opener: Opener, tmp_path: Path) -> None:
    """Whoever looked before the claim came takes it back all the same, and counts what was written."""
    job, other = (opener(tmp_path).ledger for _ in range(2))
    claims = [LedgerEntry(key, "", 0, claim=Claim("j", NOW, "5")) for key in "ab"]
    assert other.entries("accounts", "ab") == {}
    job.change("accounts", claims, claimed)
    assert other.change("accounts", claims[:1], withdrawn) == other.change("accounts", claims[1:], written) == set()
    after = job.entries("accounts", "ab")
    assert {key: (one.version, being_written(one, NOW)) for key, one in after.items()} == {
        "a": ("", False), "b": ("5", False)
    }  # fmt: skip


# ---- park


def test_parked_events_keep_their_order_by_key(opener: Opener, tmp_path: Path) -> None:
    """Events come back whole, by key and within one key as they were sent, page after page."""
    events = [parked("b", 2), parked("a", 10), parked("a", 9, 1), parked("a", 9), parked("b", 2**62)]
    opener(tmp_path).park.put(events)
    park = opener(tmp_path).park
    in_order = sorted(events, key=lambda one: one.place)
    assert park.first("accounts", limit=10) == in_order
    assert park.first("accounts", limit=2) == in_order[:2]
    assert park.first("accounts", limit=10, after=in_order[1].place) == in_order[2:]
    assert park.first("contacts", limit=10) == []
    assert park.count("accounts") == 5


def test_parking_again_changes_nothing_but_the_reason(memory: Memory) -> None:
    """A message that was delivered twice waits once."""
    memory.park.put([parked("a", 1)])
    memory.park.put([replace(parked("a", 1), why="still none")])
    assert [one.why for one in memory.park.first("accounts", limit=5)] == ["still none"]


def test_a_key_waits_until_its_last_event_is_taken(memory: Memory) -> None:
    """So later messages of the key know that they have to wait; other keys and syncs do not."""
    memory.park.put([parked("a", 1), parked("a", 2), parked("ab", 3), parked("c", 4, sync="contacts")])
    assert memory.park.waiting("accounts", ["a", "ab", "b", "c"]) == {"a", "ab"}
    memory.park.take("accounts", [("a", 1, 0), ("zz", 1, 0)])
    assert memory.park.waiting("accounts", ["a"]) == {"a"}
    memory.park.take("accounts", [("a", 2, 0)])
    assert memory.park.waiting("accounts", ["a"]) == frozenset()
    assert memory.park.waiting("contacts", ["c"]) == {"c"}


def test_a_giant_event_is_kept_whole(memory: Memory) -> None:
    """Beyond what one row of any store takes."""
    body = "".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(30_000))
    big = replace(parked("a", 1), event=event(1, text=body))
    memory.park.put([big, parked("a", 2)])
    assert memory.park.first("accounts", limit=5) == [big, parked("a", 2)]
    memory.park.take("accounts", [big.place])
    assert memory.park.first("accounts", limit=5) == [parked("a", 2)]


def test_hundreds_of_events_are_parked_in_one_call(memory: Memory) -> None:
    """An outage parks whole batches."""
    events = [parked(f"k{number % 7}", number) for number in range(1, 231)]
    memory.park.put(events)
    assert memory.park.count("accounts") == 230
    assert memory.park.first("accounts", limit=500) == sorted(events, key=lambda one: one.place)


# ---- rejected events


def test_rejected_events_come_back_in_the_order_of_sending(opener: Opener, tmp_path: Path) -> None:
    """Each with its reason, and its record where the message held one; noted twice is there once."""
    opener(tmp_path).rejected.note([rejected(20), rejected(3, whole=False)])
    store = opener(tmp_path).rejected
    store.note([rejected(20)])
    assert store.first("accounts", limit=5) == [rejected(3, whole=False), rejected(20)]
    assert store.first("accounts", limit=5, after=(3, 0)) == [rejected(20)]
    assert store.count("accounts") == 2
    store.take("accounts", [(3, 0)])
    assert store.count("accounts") == 1


# ---- listeners


def test_what_is_wanted_of_a_listener_is_remembered(opener: Opener, tmp_path: Path) -> None:
    """Every member; and a change is made of what stands there."""
    assert opener(tmp_path).listeners.wish("accounts") == Wish()
    wish = Wish(on=False, hold=Hold.OUTAGE, why="no answer", since=NOW, start_from=NOW + timedelta(hours=1))
    opener(tmp_path).listeners.change("accounts", lambda _: wish)
    store = opener(tmp_path).listeners
    assert store.wish("accounts") == wish
    assert store.change("accounts", lambda old: replace(old, on=True)) == replace(wish, on=True)
    assert store.wish("contacts") == Wish()


def test_changes_at_once_are_all_kept(opener: Opener, tmp_path: Path) -> None:
    """Counts of two processes add up."""
    stores = [opener(tmp_path).listeners for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(stores[n % 2].beat, "accounts", Pulse({"created": 1, f"x{n}": 1}, n)) for n in range(10)]
    for job in jobs:
        job.result()
    pulse = stores[0].pulse("accounts")
    assert pulse.counts == {"created": 10, **{f"x{n}": 1 for n in range(10)}}
    assert pulse.last_number == 9


def test_a_pulse_keeps_the_later_times(memory: Memory) -> None:
    """A beat that arrives late does not turn the clock back."""
    late = Pulse({"stale": 2}, 5, NOW, NOW - timedelta(seconds=3), 3.0, 1.5)
    early = Pulse({"stale": 1}, 9, NOW - timedelta(minutes=1), None, 60.0, 9.0)
    memory.listeners.beat("accounts", late)
    memory.listeners.beat("accounts", early)
    assert memory.listeners.pulse("accounts") == replace(late, counts={"stale": 3}, last_number=9)
    assert memory.listeners.pulse("nobody") == Pulse()
