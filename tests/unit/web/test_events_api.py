"""Events over HTTP: checked, then put on the queue; and the words about listeners."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.lanes import lane_of
from shared.values.events import Wish
from shared.values.messages import OutgoingMessage
from shared.wiring.listening import QUEUE
from tests.unit.web.conftest import Api, Opener, principal

LISTENER = "listener: { enabled: true, format: json, action: op, key: [no] }\n"


class Queue:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, OutgoingMessage]] = []

    def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> None:
        self.sent += [(queue, message) for message in messages]


@pytest.fixture
def api(open_api: Opener, tmp_path: Path) -> Api:
    """The API of an app whose sync `accounts` has a listener; who calls may run it."""
    path = tmp_path / "syncs" / "accounts.yaml"
    path.write_text(path.read_text(encoding="utf-8") + LISTENER, encoding="utf-8")
    found: Api = open_api(principal("crm-operators"))
    return found


@pytest.fixture
def queue(api: Api, monkeypatch: pytest.MonkeyPatch) -> Queue:
    made = Queue()
    monkeypatch.setattr(api.hosted.app.events, "_queues", lambda: made)
    return made


def test_events_are_put_on_their_lanes(api: Api, queue: Queue) -> None:
    """One or a list, as they came: each a message for its sync on its record's lane, accepted with their number."""
    one = b'{"op":"upsert","no":"C-1","label":"1.10"}'
    many = b'[{"op":"upsert","no":"C-2","label":1.10},{"op":"delete","no":"C-1"}]'
    for body, sent in ((one, 1), (many, 2)):
        answer = api.call("POST", "/api/events/accounts", body=body, headers={"content-type": "application/json"})
        assert (answer.status, json.loads(answer.body)) == (202, {"sent": sent})
    assert [(name, message.subject, message.session) for name, message in queue.sent] == [
        (QUEUE, "accounts", lane_of("accounts", [no])) for no in ("C-1", "C-2", "C-1")
    ]
    assert queue.sent[1][1].body == b'{"op":"upsert","no":"C-2","label":1.10}'
    assert len({message.message_id for _, message in queue.sent}) == 3


def test_bad_events_are_told_and_nothing_is_sent(api: Api, queue: Queue) -> None:
    """All problems in one answer, each with the place of its event."""
    answer = api.call(
        "POST",
        "/api/events/accounts",
        json_body=[{"op": "upsert", "no": "1"}, {"op": "melt", "no": "2"}, {"op": "delete"}],
    )
    assert answer.status == 422, answer.body
    assert b"1.op" in answer.body and b"2.no" in answer.body
    assert queue.sent == []


def test_who_may_not_run_the_sync_may_not_publish(api: Api, queue: Queue) -> None:
    """Readers are refused; a function key opens the webhook door of its syncs only."""
    body = {"op": "upsert", "no": "1"}
    assert api.call("POST", "/api/events/accounts", json_body=body, headers=principal("crm-readers")).status == 403
    assert api.call("POST", "/api/events/accounts", json_body=body, headers=principal("others")).status == 404
    assert queue.sent == []


def test_a_listener_is_seen_and_switched(api: Api) -> None:
    """Its state, its counts; off and on; what waits."""
    seen = api.call("GET", "/api/syncs/accounts/listener")
    assert (seen.status, json.loads(seen.body)["state"]) == (200, "idle")
    off = api.call("PUT", "/api/syncs/accounts/listener", json_body={"on": False})
    assert (off.status, json.loads(off.body)["state"]) == (200, "off")
    assert api.hosted.app.listening.memory.listeners.wish("accounts") == Wish(on=False)
    assert json.loads(api.call("GET", "/api/syncs/accounts/parked").body) == []
    assert json.loads(api.call("POST", "/api/syncs/accounts/release").body) == {}
