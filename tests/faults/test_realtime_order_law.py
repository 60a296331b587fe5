"""The law of waiting: pause, outage, broken definition, missing parent, late delivery lose and reorder nothing."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.engine.realtime import listening, releasing
from shared.errors import DefinitionError
from shared.values.messages import ReceivedMessage
from tests.e2e.conftest import BOUNDED, World, world
from tests.e2e.events import ACCOUNT, Feed, Feeds, delete, feeds, put
from tests.e2e.stories import column
from tests.examples import examples

__all__ = ["feeds", "world"]
EXAMPLES = itertools.count(1)
LINKED = ACCOUNT.but(
    columns={**ACCOUNT.columns, "parent": "text"},
    maps={
        **ACCOUNT.maps,
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "accountnumber"}},
    },
)
EVENT = st.fixed_dictionaries(
    {"key": st.sampled_from("ABC"), "delete": st.sampled_from([False, False, False, True])},
    optional={"name": st.sampled_from("xyz"), "staff": st.integers(0, 9), "parent": st.just("P")},
)
STEP = st.one_of(
    st.lists(EVENT, min_size=1, max_size=5),
    st.lists(EVENT, min_size=1, max_size=5),
    st.sampled_from(["off", "on", "outage", "calm", "break", "mend", "release", "restart"]),
    st.integers(0, 20),
)


@dataclass
class Story:
    """One example: what happens, and what is to be at the end. `rows`: name and staff by key."""

    feed: Feed
    world: World
    prefix: str
    sent: list[ReceivedMessage] = field(default_factory=list)
    rows: dict[str, list[object]] = field(default_factory=dict)
    told: int = 0

    def happens(self, step: object) -> None:
        """One step."""
        if isinstance(step, list):
            self.sends(step)
        elif isinstance(step, int):
            if self.sent:
                self.feed.take(self.sent[step % len(self.sent)])
        else:
            {
                "off": lambda: self.switches(on=False),
                "on": lambda: self.switches(on=True),
                "outage": self.fails,
                "calm": self.answers,
                "break": self.breaks,
                "mend": self.mends,
                "release": self.feed.release,
                "restart": self.feed.restart,
            }[str(step)]()

    def switches(self, *, on: bool) -> None:
        with suppress(DefinitionError):  # while the definition is broken, this is refused
            self.feed.app.events.switch("story", on=on)

    def sends(self, events: list[dict[str, object]]) -> None:
        """Each event a message, but two of them one; all in one batch."""
        documents = [self.document(dict(one)) for one in events]
        bodies = [documents[:2], *documents[2:]] if len(documents) > 2 else documents
        messages = [self.feed.message(body) for body in bodies]
        self.sent += messages
        self.feed.take(*messages)

    def document(self, event: dict[str, object]) -> dict[str, object]:
        key, gone = self.prefix + str(event.pop("key")), event.pop("delete")
        self.told += 1
        if gone:
            self.rows.pop(key, None)
            return delete(key)
        if "parent" in event:
            event["parent"] = self.prefix + "P"
        row = self.rows.setdefault(key, [None, None])
        row[0], row[1] = event.get("name", row[0]), event.get("staff", row[1])
        return put(key, **event)

    def breaks(self) -> None:
        (self.world.folder / "syncs" / "story.yaml").write_text("name: story\nsource: [", encoding="utf-8")
        self.feed.restart()

    def mends(self) -> None:
        LINKED.define(self.world)
        self.feed.restart()

    def fails(self) -> None:
        self.world.dataverse.inject({"kind": "status", "status": 503, "count": 10_000, "headers": {"Retry-After": "0"}})

    def answers(self) -> None:
        with self.world.dataverse.application.lock:
            self.world.dataverse.application.faults.clear()

    def ends(self) -> None:
        """Everything is well again, and the parent comes: nothing is left to wait."""
        for step in ("calm", "mend", "on"):
            self.happens(step)
        self.feed.take(self.feed.message(put(self.prefix + "P")))
        for _ in range(20):
            if not self.feed.parked():
                return
            self.feed.release()
        assert self.feed.parked() == []


@settings(BOUNDED, max_examples=examples(15))
@given(steps=st.lists(STEP, min_size=2, max_size=14))
def waiting_changes_nothing(feed: Feed, world: World, steps: list[object]) -> None:
    story = Story(feed, world, f"L{next(EXAMPLES)}-")
    for step in steps:
        story.happens(step)
    story.ends()
    staff = column(world, "numberofemployees")
    found = {
        str(key): [name, staff[key]]
        for key, name in column(world, "name").items()
        if str(key).startswith(story.prefix) and key != story.prefix + "P"
    }
    assert found == story.rows
    assert feed.rejects() == []


def test_waiting_changes_nothing(world: World, feeds: Feeds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever events wait for, and in however small pages they are let go, the table ends as they were sent."""
    monkeypatch.setattr(releasing, "PAGE", 3)
    monkeypatch.setattr(listening, "MOST", 2)
    waiting_changes_nothing(feeds(LINKED), world)
