"""Real time by the batch job's rules: what messages mean, record by record, against a whole local Dataverse."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.engine.realtime.claiming import applied
from shared.values.events import Hold, Wish
from tests.azurite import Account
from tests.e2e.conftest import World, closes
from tests.e2e.events import ACCOUNT, Feeds, delete, feeds, listening, only, put
from tests.e2e.stories import column

__all__ = ["feeds"]


def test_messages_create_change_and_delete_rows(world: World, feeds: Feeds) -> None:
    """New, changed, the same again, and gone: each is one bucket, and the table follows."""
    feed = feeds()
    assert feed.send(put("A1", name="a", staff=1), put("A2", name="b", staff=2)) == only(created=2)
    assert feed.send(put("A1", name="x", staff=1), put("A2", name="b", staff=2)) == only(updated=1, unchanged=1)
    assert column(world, "name") == {"A1": "x", "A2": "b"}
    assert feed.send(delete("A1"), delete("A9")) == only(deleted=1, unchanged=1)
    assert column(world, "name") == {"A2": "b"}


def test_absent_is_not_null(world: World, feeds: Feeds) -> None:
    """What a message does not hold is left alone; null clears."""
    feed = feeds()
    feed.send(put("A1", name="a", staff=1))
    assert feed.send(put("A1", staff=7)) == only(updated=1)
    assert (column(world, "name"), column(world, "numberofemployees")) == ({"A1": "a"}, {"A1": 7})
    assert feed.send(put("A1", name=None)) == only(updated=1)
    assert (column(world, "name"), column(world, "numberofemployees")) == ({"A1": None}, {"A1": 7})


def test_partial_messages_of_one_record_fold(world: World, feeds: Feeds) -> None:
    """Column by column, the last that tells one counts; one write carries them all, to a new row and to an old one."""
    feed = feeds()
    parts = (put("A1", name="a"), put("a1 ", staff=3), put("A1", name="b"))
    assert feed.send(*parts) == only(created=1, folded=2)
    assert (column(world, "name"), column(world, "numberofemployees")) == ({"A1": "b"}, {"A1": 3})
    world.dataverse.clear_requests()
    assert feed.send(put("A1", name=None, staff=4), put("A1", staff=5)) == only(updated=1, folded=1)
    assert (column(world, "name"), column(world, "numberofemployees")) == ({"A1": None}, {"A1": 5})
    assert len(world.writes()) == 1


def test_a_delete_parts_what_is_before_it_from_what_is_behind(world: World, feeds: Feeds) -> None:
    """A record that is deleted and told again in one batch begins anew: nothing of the old row is left."""
    feed = feeds()
    feed.send(put("A1", name="a", staff=1))
    before = column(world, "accountid")["A1"]
    assert feed.send(delete("A1"), put("A1", name="new")) == only(deleted=1, created=1)
    assert column(world, "accountid")["A1"] != before
    assert (column(world, "name"), column(world, "numberofemployees")) == ({"A1": "new"}, {"A1": None})
    assert feed.send(put("A1", staff=2), delete("A1")) == only(updated=1, deleted=1)
    assert column(world, "name") == {}


def test_an_older_message_never_overtakes_a_newer_one(world: World, feeds: Feeds) -> None:
    """By the order of sending: redelivered, redriven or replayed, it is stale; after a delete it revives nothing."""
    feed = feeds()
    first, second = feed.message(put("A1", name="old")), feed.message(put("A1", name="new"))
    assert feed.take(second) == only(created=1)
    assert feed.take(first) == only(stale=1)
    assert feed.take(second) == only(stale=1)
    late = feed.message(put("A1", name="late"))
    feed.send(delete("A1"))
    feed.restart()
    assert feed.take(late) == only(stale=1)
    assert column(world, "name") == {}
    assert feed.send(put("A1", name="again")) == only(created=1)


def test_a_version_decides_over_the_order_of_sending(world: World, feeds: Feeds) -> None:
    """Older versions are stale whenever they come, in one batch too; the same version again is applied."""
    sync = listening(ACCOUNT.but(columns={**ACCOUNT.columns, "at": "date"}), version="at")
    feed = feeds(sync)
    later, earlier = "2025-03-30T02:30:00+02:00", "2025-03-30T00:10:00Z"
    assert feed.send(put("A1", name="v2", at=later), put("A1", name="v1", at=earlier)) == only(created=1, stale=1)
    assert feed.send(delete("A1", at=earlier)) == only(stale=1)
    assert feed.send(put("A1", name="v2b", at=later)) == only(updated=1)
    assert feed.send(delete("A1", at="2025-03-31")) == only(deleted=1)
    assert feed.send(put("A1", name="v3", at="2025-03-30T12:00:00Z")) == only(stale=1)
    assert column(world, "name") == {}


def test_numbers_are_versions_by_their_value(world: World, feeds: Feeds) -> None:
    """Ten comes after nine, and below zero the other way round."""
    sync = listening(ACCOUNT.but(columns={**ACCOUNT.columns, "v": "number"}), version="v")
    feed = feeds(sync)
    assert feed.send(put("A1", name="a", v=-10)) == only(created=1)
    for version, bucket in ((-9, "updated"), (-11, "stale"), (9, "updated"), (10, "updated"), (9.5, "stale")):
        assert feed.send(put("A1", name=f"v{version}", v=version)) == only(**{bucket: 1}), version
    assert column(world, "name") == {"A1": "v10"}


def test_a_bad_message_never_sinks_its_neighbours(world: World, feeds: Feeds) -> None:
    """What cannot be read, breaks a rule or is refused by Dataverse is set aside with its reason; the others land."""
    strict = {**ACCOUNT.columns, "name": {"type": "text", "validate": True, "mandatory": True}}
    feed = feeds(ACCOUNT.but(columns=strict))
    counts = feed.take(
        feed.message(put("A1", name="a")),
        feed.message(b"{"),
        feed.message({"op": "melt", "no": "A2", "name": "b"}),
        feed.message(put("A3")),
        feed.message(put("A4", name="x" * 200)),
        feed.message({"op": "upsert", "name": "nobody"}),
        feed.message([put("A5", name="e"), 7, put("A6", name="f")]),
    )
    assert counts == only(created=3, rejected=6)
    assert set(column(world, "name")) == {"A1", "A5", "A6"}
    assert feed.rejects() == [
        ("Malformed Row", None),
        ("Unknown Action", "op"),
        ("Mandatory Rule Violation", "name"),
        ("Max Length Violation", "name"),
        ("Missing Key", "accountnumber"),
        ("Malformed Row", None),
    ]


def test_a_refused_fold_is_taken_apart(world: World, feeds: Feeds) -> None:
    """Dataverse refuses the whole; then each part goes by itself, and only the bad one is rejected."""
    feed = feeds()
    feed.send(put("A1", name="a", staff=1))
    world.dataverse.on(
        lambda event: event.refuse("no") if event.row.get("numberofemployees") == 13 else None, "account"
    )
    assert feed.send(put("A1", name="b"), put("A1", staff=13), put("A1", name="c")) == only(updated=2, rejected=1)
    assert (column(world, "name"), column(world, "numberofemployees")) == ({"A1": "c"}, {"A1": 1})


def test_the_listeners_filter_says_which_messages_count(world: World, feeds: Feeds) -> None:
    """A delete is followed whatever the filter says: its message tells no more than the key."""
    sync = listening(ACCOUNT.but(columns={**ACCOUNT.columns, "country": "text"}), filter="country = 'NL'")
    feed = feeds(sync)
    assert feed.send(put("A1", name="a", country="NL"), put("A2", country="DE")) == only(created=1, filtered=1)
    assert feed.send(delete("A1")) == only(deleted=1)
    assert column(world, "name") == {}


def test_behaviour_is_heeded(world: World, feeds: Feeds) -> None:
    """New, changed and deletes as the definition says; rows outside the filter are left alone."""
    feeds().send(put("A1", name="a", staff=1), put("X1", name="x", staff=9))
    feed = feeds(
        ACCOUNT.but(destination={"filter": "numberofemployees lt 5"}).behaving(
            new="ignore", changed={"when": "source.staff > target.numberofemployees"}, deletes="ignore"
        )
    )
    feed.number = 10
    assert feed.send(put("A9", name="new", staff=1), put("A1", name="b", staff=1)) == only(ignored=2)
    assert feed.send(put("A1", name="c", staff=2), put("X1", name="y", staff=1)) == only(updated=1, outside=1)
    assert feed.send(delete("A1")) == only(ignored=1)
    assert column(world, "name") == {"A1": "c", "X1": "x"}


def test_a_delete_may_expire_the_row(world: World, feeds: Feeds) -> None:
    """`deletes: as dropped` treats the row as a batch job would; a record that returns revives it."""
    feed = feeds(ACCOUNT.behaving(deletes="as dropped", dropped={"expire": "new_expiredon"}))
    feed.send(put("A1", name="a"))
    assert feed.send(delete("A1")) == only(deleted=1)
    assert column(world, "new_expiredon")["A1"] is not None
    assert feed.send(delete("A1")) == only(unchanged=1)
    assert feed.send(put("A1", name="back")) == only(updated=1)
    assert (column(world, "new_expiredon"), column(world, "name")) == ({"A1": None}, {"A1": "back"})


LINKED = ACCOUNT.but(
    columns={**ACCOUNT.columns, "parent": "text"},
    maps={
        **ACCOUNT.maps,
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "accountnumber"}},
    },
)


def test_a_child_waits_for_its_parent_and_later_messages_behind_it(world: World, feeds: Feeds) -> None:
    """Whatever comes for the child keeps its order; when the parent is there, all of it is applied."""
    feed = feeds(LINKED)
    assert feed.send(put("C1", name="c", parent="P1"), put("B1", name="b")) == only(created=1, parked=1)
    assert feed.send(put("C1", name="c2")) == only(parked=1)
    assert feed.parked() == [(1, "missing parent"), (3, "behind another")]
    assert feed.release() == only(parked=2)
    assert feed.send(put("P1", name="p")) == only(created=1)
    assert feed.release() == only(created=1, folded=1)
    ids = column(world, "accountid")
    assert column(world, "_parentaccountid_value")["C1"] == ids["P1"]
    assert column(world, "name") == {"B1": "b", "P1": "p", "C1": "c2"}
    assert feed.parked() == []


def test_a_parent_in_the_same_batch_is_enough(world: World, feeds: Feeds) -> None:
    """Whichever comes first: the child is written after it, without anybody waiting."""
    feed = feeds(LINKED)
    chain = [put("C3", parent="C2"), put("C2", parent="C1"), put("C1", name="top"), put("C3", name="last")]
    assert feed.send(*chain) == only(created=3, folded=1)
    ids, parents = column(world, "accountid"), column(world, "_parentaccountid_value")
    assert (parents["C3"], parents["C2"], parents["C1"]) == (ids["C2"], ids["C1"], None)


def test_a_parent_that_never_comes_ends_in_a_reject(world: World, feeds: Feeds) -> None:
    """After a day; until then it waits, and its neighbours do not."""
    feed = feeds(LINKED)
    feed.send(put("C1", parent="P1"))
    park = feed.app.listening.memory.park
    park.put([replace(one, since=one.since - timedelta(hours=25)) for one in park.first("story", limit=5)])
    assert feed.release() == only(rejected=1)
    assert (feed.parked(), feed.rejects()) == ([], [("Unresolved Link", None)])


def test_a_deferred_link_is_set_when_its_row_comes(world: World, feeds: Feeds) -> None:
    """`missing: defer` writes the record at once and the link later, also when a later message told no link."""
    link = {"entity": "account", "column": "accountnumber", "missing": "defer"}
    maps = {**ACCOUNT.maps, "parent": {"target": "parentaccountid", "link": link}}
    feed = feeds(LINKED.but(maps=maps))
    assert feed.send(put("C1", parent="P1"), put("C1", name="c"), put("C2", parent="P1", name="c")) == only(parked=3)
    assert column(world, "name") == {"C1": "c", "C2": "c"}
    assert feed.send(put("P1", name="p"), put("C3", parent="P2"), put("C3", name="c"), put("P2")) == only(
        created=3, folded=1
    )
    assert feed.release() == only(updated=2, folded=1)
    ids, parents = column(world, "accountid"), column(world, "_parentaccountid_value")
    assert (parents["C1"], parents["C2"], parents["C3"]) == (ids["P1"], ids["P1"], ids["P2"])


def test_an_outage_parks_and_the_end_of_it_releases(world: World, feeds: Feeds) -> None:
    """Nothing is tried again and again meanwhile; order is kept, and new messages wait behind the old ones."""
    feed = feeds()
    feed.send(put("A1", name="a"))
    faults = world.dataverse.application.faults
    world.dataverse.inject({"kind": "status", "status": 503, "count": 1000})
    assert feed.send(put("A1", name="b"), put("A2", name="x")) == only(parked=2)
    world.dataverse.clear_requests()
    assert feed.send(put("A1", name="c")) == only(parked=1)
    assert [r for r in world.dataverse.requests if "account" in r.path] == []
    assert feed.app.listening.memory.listeners.wish("story").hold is Hold.OUTAGE
    with world.dataverse.application.lock:
        faults.clear()
    assert feed.release() == only(updated=1, folded=1, created=1)
    assert column(world, "name") == {"A1": "c", "A2": "x"}
    assert feed.app.listening.memory.listeners.wish("story").hold is None
    assert feed.send(put("A1", name="d")) == only(updated=1)


def test_a_paused_listener_parks(world: World, feeds: Feeds) -> None:
    """Switched off nothing is written and nothing lost; switched on, it goes on in order, without a restart."""
    feed = feeds()
    listeners = feed.app.listening.memory.listeners
    listeners.change("story", lambda _: Wish(on=False))
    assert feed.send(put("A1", name="a"), put("A1", name="b")) == only(parked=2)
    assert feed.release() == only()
    listeners.change("story", lambda _: Wish(on=True))
    assert feed.send(put("A1", name="c"), put("A2", name="x")) == only(parked=1, created=1)
    assert feed.release() == only(created=1, folded=2)
    assert column(world, "name") == {"A1": "c", "A2": "x"}


def test_a_backlog_is_skipped_on_purpose(world: World, feeds: Feeds) -> None:
    """From a time on; what was sent before it is counted, not applied."""
    feed = feeds()
    now = datetime.now(UTC)
    feed.app.listening.memory.listeners.change("story", lambda _: Wish(start_from=now))
    old = feed.message(put("A1", name="old"), enqueued_at=now - timedelta(hours=1))
    assert feed.take(old, feed.message(put("A2", name="new"))) == only(skipped=1, created=1)
    assert column(world, "name") == {"A2": "new"}


def test_messages_for_nobody_are_set_aside(world: World, feeds: Feeds) -> None:
    """A message for a sync that is not there is kept with its reason, and never comes again."""
    feed = feeds()
    assert feed.app.listening.take("unknown", [feed.message(put("A1"))]) is None
    (found,) = feed.app.listening.memory.rejected_events.first("", limit=5)
    assert "'unknown'" in found.reject.reason


def test_no_request_starts_after_the_lock_could_have_run_out(world: World, feeds: Feeds) -> None:
    """A message whose lock is over is not written, for another receiver may have it by now: it waits. That is no
    outage, and nobody is asked anything for it."""
    feed = feeds()
    feed.send(put("A1", name="a"))
    late = feed.message(put("A1", name="b"), locked_until=datetime.now(UTC) - timedelta(seconds=1))
    world.dataverse.clear_requests()
    assert feed.take(late) == only(parked=1)
    assert list(world.dataverse.requests) == []
    assert feed.app.listening.memory.listeners.wish("story").hold is None
    assert feed.release() == only(updated=1)


def test_what_a_listener_does_is_counted(world: World, feeds: Feeds) -> None:
    """Every event in exactly one bucket, also those that waited and went on."""
    feed = feeds(LINKED)
    feed.send(put("C1", parent="P1"), put("A1", name="a"), put("A1", name="b"))
    feed.send(put("P1", name="p"), b"{")
    feed.release()
    pulse = feed.app.listening.memory.listeners.pulse("story")
    assert pulse.total == 5
    assert {name: n for name, n in pulse.counts.items() if n} == {"created": 3, "folded": 1, "rejected": 1}
    assert pulse.last_number == 5


VERSIONED = listening(
    ACCOUNT.but(
        columns={"no": "text", "name": "text", "staff": "number", "at": "number"},
        source={"type": "json", "path": "data.json"},
    ).behaving(strategy="delta"),
    version="at",
)


def batch(world: World, *records: dict[str, object]) -> tuple[int, int, int, int]:
    """A batch job over these records; its created, updated, unchanged and stale."""
    world.write("data.json", json.dumps(list(records)))
    job = closes(world.run("story"))
    return job.source.created, job.source.updated, job.source.unchanged, job.source.stale


def test_a_batch_job_and_the_listener_do_not_fight(world: World, feeds: Feeds) -> None:
    """By version: the newer one stays, whoever brings it; a job revives nothing that the listener deleted later."""
    feed = feeds(VERSIONED)
    feed.send(put("A1", name="live", at=5), put("A2", name="live", at=5), put("A3", name="live", at=5))
    feed.send(delete("A3", at=6))
    versions = (("A1", 4), ("A2", 7), ("A3", 5), ("A4", 9))
    told = [{"no": no, "name": "batch", "staff": 1, "at": at} for no, at in versions]
    assert batch(world, *told) == (1, 1, 0, 2)
    assert column(world, "name") == {"A1": "live", "A2": "batch", "A4": "batch"}
    assert feed.send(put("A2", name="late", at=6), put("A4", name="late", at=8)) == only(stale=2)
    assert feed.send(put("A2", name="newest", at=8), put("A3", name="back", at=7)) == only(updated=1, created=1)
    assert column(world, "name") == {"A1": "live", "A2": "newest", "A3": "back", "A4": "batch"}


def test_without_versions_what_came_while_a_job_read_is_newer(world: World, feeds: Feeds) -> None:
    """An event that was applied before the job began is the job's to change; one of later is not."""
    feed = feeds(ACCOUNT.but(source={"type": "json", "path": "data.json"}).behaving(strategy="delta"))
    feed.send(put("A1", name="early"), put("A2", name="early"))
    ledger = feed.app.listening.memory.ledger
    assert batch(world, {"no": "A1", "name": "b1"}, {"no": "A2", "name": "b2"}) == (0, 2, 0, 0)
    keys = [key for (key,) in database_rows(world, "SELECT key FROM ledger ORDER BY key")]
    after = datetime.now(UTC) + timedelta(hours=1)
    later = [replace(entry, at=after) for entry in ledger.entries("story", keys).values()]
    ledger.change("story", later[:1], applied)
    created, updated, unchanged, stale = batch(world, {"no": "A1", "name": "c1"}, {"no": "A2", "name": "c2"})
    assert (created, updated, unchanged, stale) == (0, 1, 0, 1)


def database_rows(world: World, sql: str) -> list[tuple[str]]:
    with contextlib.closing(sqlite3.connect(world.folder / "state" / "state.db")) as connection:
        return connection.execute(sql).fetchall()


def test_a_flood_of_deletes_is_braked(world: World, feeds: Feeds) -> None:
    """Beyond the brake nothing of the sync goes on until a person has looked: then all of it does, in order."""
    feed = feeds(ACCOUNT.behaving(brakes={"removals": "50%", "at_least": 2}))
    feed.send(*(put(f"A{n}", name="a") for n in range(6)))
    assert feed.send(delete("A0"), delete("A1")) == only(deleted=2)
    late = feed.message(put("A4", name="a"), locked_until=datetime.now(UTC) - timedelta(seconds=1))
    assert feed.take(late) == only(parked=1)  # what bounds one batch bounds no look for the brake of the next
    assert feed.send(put("A5", name="b"), delete("A2"), delete("A3")) == only(parked=3)
    assert feed.send(put("A5", name="c")) == only(parked=1)
    view = feed.app.events.listener("story")
    assert (view.state.value, "4 deletes within an hour" in view.why) == ("parked", True)
    feed.app.listening.release_all(by="timer")
    assert len(column(world, "name")) == 4
    assert feed.release() == only(deleted=2, updated=1, folded=1, unchanged=1)
    assert column(world, "name") == {"A4": "a", "A5": "c"}
    assert feed.send(put("A4", name="d")) == only(updated=1)
    assert feed.send(delete("A4")) == only(deleted=1)


def test_rejected_events_are_replayed_behind_the_ledger(world: World, feeds: Feeds) -> None:
    """When the reason is mended; one that something newer has overtaken is stale, and all are done with."""
    feed = feeds()
    step = world.dataverse.on(lambda one: one.refuse("no") if one.row.get("name") == "odd" else None, "account")
    assert feed.send(put("A1", name="odd"), put("A2", name="odd"), put("A3", name="x" * 200)) == only(rejected=3)
    assert feed.send(put("A2", name="newer")) == only(created=1)
    world.dataverse.remove(step)
    assert feed.app.events.replay_events("story", [99]) == {}
    assert feed.app.events.replay_events("story") == only(created=1, stale=1, rejected=1)
    assert column(world, "name") == {"A1": "odd", "A2": "newer"}
    assert feed.rejects() == [("Max Length Violation", "name")]
    assert feed.app.events.listener("story").pulse.total == 4


@pytest.mark.needs("azurite")
def test_a_storage_account_remembers_as_well(world: World, feeds: Feeds, storage: Account) -> None:
    """Ledger, park, rejects and wishes in Azure's tables: an outage, a restart, an old message, a pause."""
    world.environ |= {"DYNSYNC_STATE_SECRET": "state", "DYNSYNC_SECRET_STATE": storage.connection}
    feed = feeds(LINKED.but(name="stored"))  # other tests of the process keep their "story" in this account
    old = feed.message(put("A1", name="old"))
    assert feed.send(put("A1", name="a"), put("C1", parent="P1"), b"{") == only(created=1, parked=1, rejected=1)
    world.dataverse.inject({"kind": "status", "status": 503, "count": 1000, "headers": {"Retry-After": "0"}})
    assert feed.send(put("P1", name="p"), put("A1", name="b")) == only(parked=2)
    with world.dataverse.application.lock:
        world.dataverse.application.faults.clear()
    feed.restart()
    assert feed.release() == only(updated=1, created=2)
    assert feed.take(old) == only(stale=1)
    feed.app.events.switch("stored", on=False)
    assert feed.send(delete("A1")) == only(parked=1)
    feed.app.events.switch("stored", on=True)
    assert feed.release() == only(deleted=1)
    assert set(column(world, "name")) == {"P1", "C1"}
    view = feed.app.events.listener("stored")
    assert (view.parked, view.rejected, view.pulse.total) == (0, 1, 7)


def test_a_link_to_a_row_that_got_another_id_is_set_to_it(world: World, feeds: Feeds) -> None:
    """The id that follows from its key is that of a re-keyed row: the child is below the parent, not below that one."""
    key = {"no": "new_externalkey"}
    link = {"entity": "account", "column": "new_externalkey", "missing": "defer"}
    maps = {**LINKED.maps, **key, "parent": {"target": "parentaccountid", "link": link}}
    feed = feeds(LINKED.but(maps=maps, key=["new_externalkey"]))
    feed.send(put("P1", name="p"))
    taken = column(world, "accountid", key="new_externalkey")["P1"]
    world.edit("accounts", taken, {"new_externalkey": "other"})

    assert feed.send(put("P1", name="p"), put("C1", name="c", parent="P1")) == only(created=2)

    ids, parents = (column(world, name, key="new_externalkey") for name in ("accountid", "_parentaccountid_value"))
    assert ids["P1"] != taken
    assert parents == {"P1": None, "C1": ids["P1"], "other": None}
