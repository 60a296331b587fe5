"""Messages for stories of real time, said in a few words; a feed hands them to the product without a broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from shared.values.events import Bucket
from shared.values.messages import ReceivedMessage
from shared.wiring import LocalApp
from tests.e2e.conftest import World
from tests.e2e.stories import Sync

LISTENER = {"enabled": True, "format": "json", "action": "op", "key": ["no"]}
ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "staff": "number"},
    maps={"no": "accountnumber", "name": "name", "staff": "numberofemployees"},
    key=["accountnumber"],
    rest={"listener": LISTENER},
)


def listening(sync: Sync, **listener: object) -> Sync:
    """The same sync with another listener."""
    return sync.but(rest={**sync.rest, "listener": {**LISTENER, **listener}})


@dataclass
class Feed:
    """Hands messages to one running app, each with the next sequence number."""

    world: World
    sync: Sync = ACCOUNT
    number: int = 0
    counts: Counter[Bucket] = field(default_factory=Counter)
    app: LocalApp = field(init=False)

    def __post_init__(self) -> None:
        self.sync.define(self.world)
        self.app = self.world.app

    def close(self) -> None:
        """End the process."""
        self.app.listening.close()

    def restart(self) -> None:
        """A fresh process over the same state."""
        self.close()
        self.app = self.world.app

    def message(self, document: object, *, number: int | None = None, **members: object) -> ReceivedMessage:
        """One message; its number is the next unless one is given."""
        if number is None:
            self.number += 1
            number = self.number
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        now = datetime.now(UTC)
        fields: dict[str, object] = {"body": body, "number": number, "sync": self.sync.name, "enqueued_at": now}
        return ReceivedMessage(**(fields | members))  # type: ignore[arg-type]

    def take(self, *messages: ReceivedMessage) -> Counter[Bucket]:
        """Hand messages over as one batch; what became of their events."""
        account = self.app.listening.take(self.sync.name, messages)
        counts = account.counts() if account else Counter[Bucket]()
        self.counts += counts
        return counts

    def send(self, *documents: object) -> Counter[Bucket]:
        """One message for each document, as one batch."""
        return self.take(*(self.message(document) for document in documents))

    def release(self) -> Counter[Bucket]:
        """Let go what waits."""
        return self.app.listening.release(self.sync.name, by="tester", asked=True).counts()

    def rejects(self) -> list[tuple[str, str | None]]:
        """Type and column of every rejected event, in order."""
        found = self.app.listening.memory.rejected_events.first(self.sync.name, limit=1000)
        return [(one.reject.type.value, one.reject.column) for one in found]

    def parked(self) -> list[tuple[int, str]]:
        """Number and reason of every event that waits, by number."""
        found = self.app.listening.memory.park.first(self.sync.name, limit=1000)
        return sorted((one.event.origin.number, one.hold.value) for one in found)


def put(no: str, **members: object) -> dict[str, object]:
    """An upsert."""
    return {"op": "upsert", "no": no, **members}


def delete(no: str, **members: object) -> dict[str, object]:
    """A delete."""
    return {"op": "delete", "no": no, **members}


def only(**buckets: int) -> Counter[Bucket]:
    """Counts by bucket's name."""
    return Counter({Bucket[name.upper()]: number for name, number in buckets.items()})


Feeds = Callable[..., Feed]


@pytest.fixture
def feeds(world: World) -> Iterator[Feeds]:
    """Opens feeds, and ends their processes afterwards."""
    opened: list[Feed] = []

    def open_feed(sync: Sync = ACCOUNT) -> Feed:
        opened.append(Feed(world, sync))
        return opened[-1]

    yield open_feed
    for feed in opened:
        feed.close()
