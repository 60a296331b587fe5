"""Two environments that feed each other through Dataverse's own webhooks: changes cross once, and never come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.dataverse import LocalDataverse
from local.dataverse.webhooks import Webhook
from shared.values.events import Bucket
from shared.values.messages import ReceivedMessage
from tests.e2e import hook
from tests.e2e.conftest import World, an_hour_ago
from tests.e2e.stories import Sync, column

COLUMNS = {"accountnumber": "text", "name": "text", "numberofemployees": "number", "modifiedon": "date"}
MAPS = {name: name for name in ("accountnumber", "name", "numberofemployees")}


def crossing(name: str, other: str) -> Sync:
    """The sync of one direction: its writes carry its name, and the events of the other's writes are passed over."""
    listener = {
        "enabled": True,
        "format": "dataverse",
        "key": ["accountnumber"],
        "ignore_tags": [other],
    }
    source = {"type": "json", "path": "none.json"}
    rest = {"listener": listener}
    return Sync(COLUMNS, MAPS, ["accountnumber"], name=name, destination={"tag": name}, source=source, rest=rest)


def asked(world: World, method: str, path: str, body: object = None) -> None:
    """What a person does in an environment, past the product."""
    headers = {"Authorization": f"Bearer {world._token()}"}
    requests.request(method, world.dataverse.url + path, json=body, headers=headers, timeout=10).raise_for_status()


class Side:
    """One environment: what it tells goes to the other through one sync."""

    def __init__(self, folder: Path, mine: LocalDataverse, others: LocalDataverse, told: hook.Hook, sync: Sync) -> None:
        (folder / "syncs").mkdir(parents=True)
        (folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        self.here, self.told, self.sync = World(mine, folder, {}), told, sync
        there = World(others, folder, self.here.environ)
        sync.define(there)
        self.app, self.number = there.app, 0
        mine.register(Webhook(url=told.url, table="account", image=True, pre_image=True))

    def pass_on(self) -> Counter[Bucket]:
        """Give the other side what this one has told since the last time."""
        self.here.dataverse.settle()
        bodies = [body for *_, body in self.told.calls]
        self.told.calls.clear()
        messages = []
        for body in bodies:
            self.number += 1
            messages.append(ReceivedMessage(body=body, number=self.number, sync=self.sync.name))
        account = self.app.listening.take(self.sync.name, messages)
        return account.counts() if account else Counter()


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[Side, Side]]:
    with (
        LocalDataverse(clock=an_hour_ago) as one,
        LocalDataverse(clock=an_hour_ago) as two,
        hook.listening() as first,
        hook.listening() as second,
    ):
        left = Side(tmp_path / "left", one, two, first, crossing("to-right", "to-left"))
        right = Side(tmp_path / "right", two, one, second, crossing("to-left", "to-right"))
        yield left, right
        left.app.listening.close()
        right.app.listening.close()


def test_a_change_crosses_once_and_does_not_come_back(sides: tuple[Side, Side]) -> None:
    """Create, partial update and delete by people on either side; what a sync wrote is an echo for the other."""
    left, right = sides
    row = "11111111-0000-4000-8000-000000000001"
    asked(left.here, "POST", "accounts", {"accountid": row, "accountnumber": "A1", "name": "a"})
    assert left.pass_on() == Counter({Bucket.CREATED: 1})
    assert right.pass_on() == Counter({Bucket.ECHO: 1})
    assert left.pass_on() == Counter()
    other = str(column(right.here, "accountid")["A1"])
    right.here.edit("accounts", other, {"numberofemployees": 7})
    assert right.pass_on() == Counter({Bucket.UPDATED: 1})
    assert left.pass_on() == Counter({Bucket.ECHO: 1})
    assert column(left.here, "numberofemployees") == {"A1": 7}
    asked(left.here, "DELETE", f"accounts({row})")
    assert left.pass_on() == Counter({Bucket.DELETED: 1})
    assert right.pass_on() == Counter({Bucket.ECHO: 1})
    assert column(right.here, "name") == {}
