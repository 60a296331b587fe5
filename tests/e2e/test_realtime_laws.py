"""The laws of real time: however messages come, the table ends as the last event of each record says."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.values.events import Bucket
from shared.values.messages import ReceivedMessage
from tests.e2e.conftest import BOUNDED, World
from tests.e2e.events import ACCOUNT, LISTENER, Feed, Feeds, delete, feeds, put
from tests.e2e.stories import column
from tests.examples import examples

__all__ = ["feeds"]

Row = dict[str, object]
EXAMPLES = itertools.count(1)
POISON = b'{"op":"upsert","no":'


@dataclass(frozen=True)
class Told:
    """One event of an example: which record, and what it says; `name` and `staff` None: absent."""

    key: str
    delete: bool
    name: str | None
    staff: int | None
    poison: bool = False

    def document(self, prefix: str) -> object:
        """As a message holds it."""
        if self.poison:
            return POISON
        if self.delete:
            return delete(prefix + self.key)
        members = {"name": self.name, "staff": self.staff}
        return put(prefix + self.key, **{n: v for n, v in members.items() if v is not None})


@dataclass
class Model:
    """What is to be at the end, in the plainest words."""

    rows: dict[str, Row] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def batch(self, told: list[tuple[int, Told]]) -> None:
        """Events of one batch, in the order of sending; what was sent before the last one seen is stale."""
        for number, one in sorted(told, key=lambda pair: pair[0]):
            if one.poison or number <= self.seen.get(one.key, 0):
                continue
            self.seen[one.key] = number
            if one.delete:
                self.rows.pop(one.key, None)
                continue
            row = self.rows.setdefault(one.key, {"name": None, "numberofemployees": None})
            row |= {"name": one.name} if one.name is not None else {}
            row |= {"numberofemployees": one.staff} if one.staff is not None else {}


TOLD = st.builds(
    Told,
    st.sampled_from("ABC"),
    st.integers(0, 3).map(lambda chance: chance == 0),
    st.none() | st.sampled_from(["x", "y", "z"]),
    st.none() | st.integers(0, 3),
    st.integers(0, 9).map(lambda chance: chance == 0),
)
DELIVERIES = st.lists(st.lists(st.integers(0, 11), min_size=1, max_size=6), min_size=1, max_size=5)


@settings(BOUNDED, max_examples=examples(12))
@given(told=st.lists(TOLD, min_size=1, max_size=12), deliveries=DELIVERIES, restart=st.booleans())
def any_deliveries_end_at_the_last_event(
    feed: Feed, world: World, told: list[Told], deliveries: list[list[int]], restart: bool
) -> None:
    """Each event is delivered at least once, in any batches, late, twice or after a restart."""
    prefix = f"E{next(EXAMPLES)}-"
    messages = [feed.message(one.document(prefix)) for one in told]
    model, counted, delivered = Model(), 0, 0
    batches = [[n % len(told) for n in batch] for batch in deliveries]
    for batch in (*batches, list(range(len(told)))):
        if restart:
            feed.restart()
        counted += feed.take(*(messages[n] for n in batch)).total()
        delivered += len(batch)
        model.batch([(messages[n].number, told[n]) for n in dict.fromkeys(batch)])
    assert counted == delivered
    found = {
        str(key).removeprefix(prefix): {"name": name, "numberofemployees": column(world, "numberofemployees")[key]}
        for key, name in column(world, "name").items()
        if str(key).startswith(prefix)
    }
    assert found == model.rows
    assert feed.parked() == []


def test_any_deliveries_end_at_the_last_event(world: World, feeds: Feeds) -> None:
    """Duplicate, late, out of order, poisoned, redelivered: the last event counts, and each is in one bucket."""
    any_deliveries_end_at_the_last_event(feeds(), world)


PARENTS = ACCOUNT.but(
    columns={**ACCOUNT.columns, "parent": "text", "at": "number"},
    maps={
        **ACCOUNT.maps,
        "parent": {
            "target": "parentaccountid",
            "link": {"entity": "account", "column": "accountnumber", "missing": "defer"},
        },
    },
    rest={
        "variables": {"skip": {"default": "it's"}},
        "listener": {**LISTENER, "version": "at", "filter": "name IS NULL OR name <> @skip"},
    },
)
RECORD = st.fixed_dictionaries(
    {"op": st.sampled_from(["upsert", "upsert", "delete"]), "no": st.sampled_from("ABC")},
    optional={
        "name": st.none() | st.sampled_from(["x", "y", "it's", "z" * 200]),
        "staff": st.none() | st.sampled_from([1, 2, "many", -1]),
        "parent": st.none() | st.sampled_from("ABC"),
        "at": st.integers(0, 4),
    },
)


@settings(BOUNDED, max_examples=examples(8))
@given(batches=st.lists(st.lists(RECORD, min_size=1, max_size=5), min_size=2, max_size=8))
def warm_is_as_good_as_fresh(warm: Feed, fresh: Feed, world: World, batches: list[list[dict[str, object]]]) -> None:
    """The same batches, once by a line that stays open and once by one that is opened for each batch."""
    number = next(EXAMPLES)
    for batch in batches:
        told = []
        for feed, prefix in ((warm, f"W{number}-"), (fresh, f"F{number}-")):
            if feed is fresh:
                feed.app.listening.listener(feed.sync.name).close()
            keyed = [{**one, **{k: prefix + str(one[k]) for k in ("no", "parent") if one.get(k)}} for one in batch]
            told.append(feed.send(*keyed))
        assert told[0] == told[1]
        assert kinds(warm, f"W{number}-") == kinds(fresh, f"F{number}-")
    tables = [of_prefix(world, f"{letter}{number}-") for letter in "WF"]
    assert tables[0] == tables[1]


def kinds(feed: Feed, prefix: str) -> list[tuple[str, str | None, str]]:
    """What was set aside, and why."""
    found = feed.app.listening.memory.rejected_events.first(feed.sync.name, limit=1000)
    return [(one.reject.type.value, one.reject.column, one.reject.reason.replace(prefix, "")) for one in found]


def of_prefix(world: World, prefix: str) -> dict[str, Row]:
    """The rows of one side, by key without its prefix; parents by their keys."""
    rows = world.dataverse.rows("account")
    keys = {row["accountid"]: str(row["accountnumber"]).removeprefix(prefix) for row in rows}
    return {
        keys[row["accountid"]]: {
            "name": row["name"],
            "staff": row["numberofemployees"],
            "parent": keys.get(row["_parentaccountid_value"]),
        }
        for row in rows
        if str(row["accountnumber"]).startswith(prefix)
    }


def test_a_warm_line_finds_what_a_fresh_one_finds(world: World, feeds: Feeds) -> None:
    """No batch and no definition leaves anything behind for the next: verdicts, reasons and rows are the same."""
    warm, fresh = feeds(PARENTS), feeds(PARENTS.but(name="other"))
    warm_is_as_good_as_fresh(warm, fresh, world)


@settings(BOUNDED, max_examples=examples(6))
@given(told=st.lists(TOLD, min_size=2, max_size=10), outages=st.lists(st.booleans(), min_size=10, max_size=10))
def an_outage_changes_nothing(feed: Feed, world: World, told: list[Told], outages: list[bool]) -> None:
    """Some batches meet a Dataverse that does not answer; after the release everything is in place."""
    prefix = f"O{next(EXAMPLES)}-"
    model = Model()
    for one, out in zip(told, outages, strict=False):
        message: ReceivedMessage = feed.message(one.document(prefix))
        if out:
            world.dataverse.inject({"kind": "status", "status": 503, "count": 1000, "headers": {"Retry-After": "0"}})
        feed.take(message)
        model.batch([(message.number, one)])
        with world.dataverse.application.lock:
            world.dataverse.application.faults.clear()
    counts = feed.release()
    assert counts[Bucket.PARKED] == 0
    assert feed.parked() == []
    names = {str(key): name for key, name in column(world, "name").items() if str(key).startswith(prefix)}
    assert names == {prefix + key: row["name"] for key, row in model.rows.items()}


def test_an_outage_changes_nothing(world: World, feeds: Feeds) -> None:
    """What waited and what came behind it ends as if there had been no outage."""
    an_outage_changes_nothing(feeds(), world)
