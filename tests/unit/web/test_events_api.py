"""Events over HTTP: checked, then put on the queue; and the words about listeners."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.errors import NotFoundError
from shared.lanes import lane_of
from shared.values.events import Origin, RejectedEvent, Wish
from shared.values.messages import DeadLetter, OutgoingMessage
from shared.values.records import Reject, RejectType
from shared.wiring.listening import QUEUE
from tests.unit.web.conftest import Api, Opener, principal

LISTENER = "listener: { enabled: true, format: json, action: op, key: [no] }\n"


class Queue:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, OutgoingMessage]] = []

    def send(self, queue: str, messages: Sequence[OutgoingMessage]) -> None:
        self.sent += [(queue, message) for message in messages]


class Dead:
    """One dead letter; keeps which were asked for."""

    def __init__(self) -> None:
        self.asked: list[Collection[int] | None] = []

    def dead_letters(self, queue: str, *, limit: int) -> list[DeadLetter]:
        return [
            DeadLetter(
                number=17,
                first_number=5,
                message_id="m",
                session="lane-1",
                subject="accounts",
                reason="MaxDeliveryCountExceeded",
                explanation=None,
                deliveries=10,
                enqueued_at=datetime(2026, 1, 31, tzinfo=UTC),
                body=b'{"no":"secret value"}',
                properties={},
            )
        ]

    def redrive(self, queue: str, new_id: Callable[[], str], *, numbers: Collection[int] | None) -> int:
        self.asked.append(numbers)
        return 1


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
    empty = api.call("POST", "/api/events/accounts", json_body=[])
    assert (empty.status, b"dict" in empty.body) == (422, False) and b"events: List should have" in empty.body
    text = api.call("POST", "/api/events/accounts", json_body="C-1")
    assert text.status == 422 and b"neither an object, one event, nor a list of objects" in text.body
    assert queue.sent == []


def test_who_may_not_run_the_sync_may_not_publish(api: Api, queue: Queue) -> None:
    """Readers are refused; a function key opens the webhook door of its syncs only."""
    body = {"op": "upsert", "no": "1"}
    assert api.call("POST", "/api/events/accounts", json_body=body, headers=principal("crm-readers")).status == 403
    assert api.call("POST", "/api/events/accounts", json_body=body, headers=principal("others")).status == 404
    assert queue.sent == []


def test_a_backlog_is_skipped_on_purpose(api: Api) -> None:
    """From now or a time with its zone, until that is taken back; readers may not, and a time needs its zone."""
    path = "/api/syncs/accounts/listener/start"
    wish = api.hosted.app.listening.memory.listeners.wish
    told = api.call("PUT", path, json_body={"start_from": "2026-01-31T08:00:00Z"})
    assert (told.status, json.loads(told.body)["start_from"]) == (200, "2026-01-31T08:00:00Z")
    began = datetime.now(UTC)
    assert api.call("PUT", path, json_body={"start_from": "now"}).status == 200
    assert began <= (wish("accounts").start_from or began - timedelta(1)) <= datetime.now(UTC)
    for wrong in ({"start_from": "2026-01-31T08:00:00"}, {"start_from": "soon"}, {}):
        assert api.call("PUT", path, json_body=wrong).status == 422
    readers = principal("crm-readers")
    assert api.call("PUT", path, json_body={"start_from": None}, headers=readers).status == 403
    assert wish("accounts").start_from is not None
    assert api.call("PUT", path, json_body={"start_from": None}).status == 200
    assert wish("accounts").start_from is None


def test_dead_letters_are_told_and_put_back(open_api: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """For those who have the right over the whole app: without what they hold; some by number, or all."""
    api = open_api(principal("dynsync.execute"))
    dead = Dead()
    monkeypatch.setattr(api.hosted.app.events, "_queues", lambda: dead)
    (told,) = api.get("/api/dead-letters")
    assert (told["number"], told["first_number"], told["sync"], told["deliveries"]) == (17, 5, "accounts", 10)
    assert "secret value" not in json.dumps(told)
    for numbers in ([17], None):
        answer = api.call("POST", "/api/dead-letters/redrive", json_body={"numbers": numbers})
        assert (answer.status, json.loads(answer.body)) == (200, {"sent": 1, "left": 1})
    assert dead.asked == [[17], None]
    assert api.call("POST", "/api/dead-letters/redrive", json_body={}).status == 422
    for who in ("dynsync.read", "crm-operators"):
        refused = api.call("POST", "/api/dead-letters/redrive", json_body={"numbers": None}, headers=principal(who))
        assert refused.status == 403
    assert len(dead.asked) == 2


def test_what_names_no_known_sync_is_told(open_api: Opener) -> None:
    """For those who have the right over the whole app: without what the message holds."""
    api = open_api(principal("dynsync.execute"))
    reject = Reject(None, None, RejectType.MALFORMED_ROW, None, None, "there is no such sync", source="secret value")
    stray = RejectedEvent("", Origin(35), reject, datetime.now(UTC))
    api.hosted.app.events._memory.rejected_events.note([stray])
    (told,) = api.get("/api/stray-events")
    assert (told["number"], told["reason"]) == (35, "there is no such sync")
    assert "secret value" not in json.dumps(told)
    assert api.call("GET", "/api/stray-events", headers=principal("crm-operators")).status == 403
    with pytest.raises(NotFoundError, match="there is no sync 'nosuch'"):
        api.hosted.app.events.rejected_events("nosuch")


def test_a_listener_is_seen_and_switched(api: Api) -> None:
    """Its state, its counts; off and on; what waits."""
    seen = api.call("GET", "/api/syncs/accounts/listener")
    assert (seen.status, json.loads(seen.body)["state"]) == (200, "idle")
    off = api.call("PUT", "/api/syncs/accounts/listener", json_body={"on": False})
    assert (off.status, json.loads(off.body)["state"]) == (200, "off")
    assert api.hosted.app.listening.memory.listeners.wish("accounts") == Wish(on=False)
    assert json.loads(api.call("GET", "/api/syncs/accounts/parked").body) == []
    assert json.loads(api.call("POST", "/api/syncs/accounts/release").body) == {}
