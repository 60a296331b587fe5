"""A process dies while it applies a gathered batch: before or after any write to the store, any request.

The messages come again, as they do where none was settled; then rows, ledger, rejects and what waits are as after one
clean run. By default a few stretches between two writes are visited; DYNSYNC_KILLS=all visits every one of them.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from shared.canonical import key_text
from shared.state.events import LocalLedger, LocalListeners, LocalShelf
from tests.azurite import Account
from tests.e2e.conftest import World
from tests.e2e.events import Feed, Feeds, delete, feeds, put
from tests.e2e.stories import column
from tests.faults.powercut import Power, PowerCutError, buried
from tests.faults.test_kills import ASKED
from tests.faults.test_realtime_order import LINKED
from tests.faults.trials import stretches

__all__ = ["feeds"]
EVENT_STORES = ((LocalLedger, ("change",)), (LocalShelf, ("put", "take")), (LocalListeners, ("beat", "change")))
EVERY = {"few": {"local": 5, "azure": 12}}.get(ASKED, {"local": 1, "azure": 1})
"""Of so many stretches one is visited."""
NUMBERS = itertools.count(1)
Left = tuple[object, ...]


@pytest.fixture
def events_power(power: Power, monkeypatch: pytest.MonkeyPatch) -> Power:
    """The power of this process, with the memory of real time."""
    for kind, names in EVENT_STORES:
        for name in names:
            monkeypatch.setattr(kind, name, power.wired(f"{kind.__name__}.{name}", getattr(kind, name)))
    return power


@dataclass
class Batches:
    """The same batch again and again, each time of records of its own."""

    world: World
    feed: Feed
    power: Power

    def lived(self, cut_at: int | None = None) -> tuple[Sequence[str], Left]:
        """One batch, by a process that dies at a point and by the next one; the points passed, and what is left."""
        prefix = f"K{next(NUMBERS)}-"
        self.feed.send(put(prefix + "A1", name="old"), put(prefix + "A3", name="gone"))
        before = self.feed.number
        messages = [self.feed.message(one) for one in told(prefix)]
        try:
            with self.power.flows(cut_at):
                self.feed.take(*messages)
        except PowerCutError:
            buried()
        passed = list(self.power.passed)
        if cut_at is not None:
            assert self.power.dead
            self.feed.restart()
            self.feed.take(*messages)
        return passed, self.left(prefix, before)

    def left(self, prefix: str, before: int) -> Left:
        """Rows, ledger, rejects and what waits, of one batch; numbers count from its first message."""
        memory = self.feed.app.listening.memory
        rows = {
            str(no).removeprefix(prefix): (name, column(self.world, "numberofemployees")[no])
            for no, name in column(self.world, "name").items()
            if str(no).startswith(prefix)
        }
        digests = {no: digest(prefix + no) for no in ("A1", "A2", "A3", "A4", "C1")}
        entries = memory.ledger.entries("story", set(digests.values()))
        known = {
            no: (entries[key].number - before, entries[key].part, entries[key].tombstone)
            for no, key in digests.items()
            if key in entries
        }
        rejects = [
            (one.origin.number - before, one.reject.type.value)
            for one in memory.rejected_events.first("story", limit=1000)
            if one.origin.number > before
        ]
        parked = [number - before for number, _ in self.feed.parked() if number > before]
        return rows, known, rejects, parked


def told(prefix: str) -> list[object]:
    """Two that fold, a new row, a delete, two that are rejected, one whose parent is missing and one behind it."""
    return [
        put(prefix + "A1", name="new"),
        put(prefix + "A1", staff=2),
        put(prefix + "A2", name="made"),
        delete(prefix + "A3"),
        {"op": "melt", "no": prefix + "A4"},
        put(prefix + "A4", name="x" * 200),
        put(prefix + "C1", name="child", parent=prefix + "P1"),
        put(prefix + "C1", staff=3),
    ]


def digest(no: str) -> str:
    """The ledger's key of a record."""
    return hashlib.sha256(key_text(no, accent_sensitive=False).encode()).hexdigest()[:40]


@pytest.fixture(params=["local", pytest.param("azure", marks=pytest.mark.needs("azurite"))])
def store(request: pytest.FixtureRequest, world: World) -> str:
    """Where real time remembers."""
    if request.param == "azure":
        account: Account = request.getfixturevalue("storage")
        world.environ |= {"DYNSYNC_STATE_SECRET": "state", "DYNSYNC_SECRET_STATE": account.connection}
    return str(request.param)


@pytest.mark.usefixtures("no_pauses")
def test_a_death_at_any_point_of_a_batch_changes_nothing(
    world: World, feeds: Feeds, events_power: Power, store: str
) -> None:
    """Whatever was written and noted when it came: the messages that come again complete it, and double nothing."""
    batches = Batches(world, feeds(LINKED), events_power)
    batches.lived()  # the line is open from now on
    passed, clean = batches.lived()
    rows, known, rejects, parked = clean
    assert rows == {"A1": ("new", 2), "A2": ("made", None)}
    assert known == {"A1": (2, 0, False), "A2": (3, 0, False), "A3": (4, 0, True)}
    assert (rejects, parked) == (
        [(5, "Unknown Action"), (6, "Max Length Violation")],
        [7, 8],
    )
    assert len(list(stretches(passed))) >= 8, passed

    chance = random.Random(store)
    for stretch in itertools.islice(stretches(passed), chance.randrange(EVERY[store]), None, EVERY[store]):
        point = chance.choice(stretch)
        assert batches.lived(point)[1] == clean, passed[point - 1]
    batches.feed.release()
    assert {why for _, why in batches.feed.parked()} == {"missing parent", "behind another"}
