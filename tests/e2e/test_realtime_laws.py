"""The laws of real time: however messages come, the table ends as the last event of each record says."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.values.events import Bucket
from shared.values.messages import ReceivedMessage
from tests.e2e.conftest import BOUNDED, World
from tests.e2e.events import Feed, Feeds, delete, feeds, put
from tests.e2e.stories import column

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


@settings(BOUNDED, max_examples=12)
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


@settings(BOUNDED, max_examples=6)
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
