"""The whole life of a job through the API and the queue's door, against the local Dataverse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.values.messages import OutgoingMessage
from shared.web.application import Application
from shared.web.call import Answer, Request
from shared.wiring.hosted import Hosted, open_hosted
from tests.e2e.conftest import World
from tests.e2e.stories import Sync, column

HANDED = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    source={"path": "@extract"},
    rest={"variables": {"extract": {"file": True}}},
)
FILE = b"no,name\nA1,One\nA2,Two\nA3,Three\n,nobody\n"


class Cloud:
    """The app with its API, and a queue whose messages come back to it when the test says so."""

    def __init__(self, world: World) -> None:
        self.hosted: Hosted = open_hosted(
            {**world.environ, "DYNSYNC_DEVELOPER": "unchecked", "DYNSYNC_STATE": "state"}, base=world.folder
        )
        self.hosted.nudges._bus = self  # type: ignore[assignment]
        self.application = Application(self.hosted)
        self.queue: list[OutgoingMessage] = []

    def send(self, queue: str, messages: list[OutgoingMessage]) -> None:
        assert queue == "sync-jobs"
        self.queue += messages

    def work(self) -> None:
        """Deliver what is on the queue, each message twice, as a broker may."""
        while self.queue:
            message = self.queue.pop(0)
            self.hosted.run_job(message.body)
            self.hosted.run_job(message.body)

    def call(self, method: str, path: str, status: int = 200, **how: Any) -> Any:
        query = how.pop("query", {})
        request = Request(method, path, query, how.get("headers", {}), how.get("body", b""), "127.0.0.1:7071")
        answer: Answer = self.application.answer(request)
        assert answer.status == status, answer.body
        return json.loads(answer.body) if answer.content_type.endswith("json") else answer.body

    def post(self, path: str, body: object, status: int = 202) -> Any:
        headers = {"content-type": "application/json"}
        return self.call("POST", path, status, headers=headers, body=json.dumps(body).encode())


def upload(request: object) -> dict[str, Any]:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="request"\r\n\r\n{json.dumps(request)}\r\n'.encode(),
        b'--b\r\nContent-Disposition: form-data; name="extract"; filename="erp.csv"\r\n\r\n' + FILE + b"\r\n--b--\r\n",
    ]
    return {"headers": {"content-type": "multipart/form-data; boundary=b"}, "body": b"".join(parts)}


def test_a_job_from_its_upload_to_its_undo(world: World) -> None:
    """Planned, looked at page by page, approved, carried out in the queue's turn, reported, and taken back."""
    HANDED.define(world)
    cloud = Cloud(world)
    job = cloud.call("POST", "/api/syncs/story/jobs", 202, **upload({"dry_run": True}))
    cloud.work()

    at = f"/api/jobs/{job['id']}"
    assert cloud.call("GET", at)["state"] == "AwaitingApproval"
    first = cloud.call("GET", f"{at}/changes", query={"limit": "2", "action": "create"})
    rest = cloud.call("GET", f"{at}/changes", query={"after": str(first["after"])})
    assert [one["key"] for one in first["changes"] + rest["changes"]] == ["A1", "A2", "A3"]
    assert (first["total"], rest["after"]) == (3, None)
    (change,) = cloud.call("GET", f"{at}/changes", query={"key": "A2"})["changes"]
    assert {one["column"]: one["new"] for one in change["fields"]} == {"accountnumber": "A2", "name": "Two"}
    assert cloud.call("GET", f"{at}/plan", query={"format": "csv"}).count(b"\n") == 4
    (reject,) = cloud.call("GET", f"{at}/rejects")["rejects"]
    assert (reject["number"], reject["reject"]["row"], reject["reject"]["type"]) == (1, 4, "Missing Key")
    assert world.dataverse.rows("account") == []
    assert cloud.call("GET", f"{at}/rows") == {"rows": [], "after": None}

    cloud.call("POST", f"{at}/apply", 202)
    cloud.work()

    report = cloud.call("GET", f"{at}/report")
    assert (report["job"]["state"], report["source_closes"], report["destination_closes"]) == (
        "CompletedWithErrors",
        True,
        True,
    )
    assert [(group["type"], group["count"]) for group in report["rejects"]] == [("Missing Key", 1)]
    assert column(world, "name") == {"A1": "One", "A2": "Two", "A3": "Three"}
    first = cloud.call("GET", f"{at}/rows", query={"action": "create", "limit": "2"})
    rest = cloud.call("GET", f"{at}/rows", query={"action": "create", "after": str(first["after"])})
    ids = column(world, "accountid")
    assert {one["key"]: one["id"] for one in first["rows"] + rest["rows"]} == ids
    assert (len(first["rows"]), rest["after"]) == (2, None)
    assert cloud.call("GET", f"{at}/rows", query={"action": "update"})["rows"] == []
    (story,) = cloud.call("GET", "/api/syncs/story/stories", query={"key": "A1"})["stories"]
    assert [one["outcome"]["status"] for one in story["changes"]] == ["done"]

    undo = cloud.post(f"{at}/undo", {})
    cloud.work()

    assert cloud.call("GET", f"/api/jobs/{undo['id']}")["state"] == "Succeeded"
    assert cloud.call("GET", at)["state"] == "Undone"
    assert world.dataverse.rows("account") == []
    assert cloud.post(f"{at}/undo", {}, 422)["type"] == "urn:dynsync:problem:refuse"


def test_a_lost_message_only_costs_time(world: World) -> None:
    """After a few minutes the timer nudges the job again."""
    HANDED.define(world)
    cloud = Cloud(world)
    job = cloud.call("POST", "/api/syncs/story/jobs", 202, **upload({}))
    cloud.queue.clear()
    cloud.hosted.every_minute(clock=lambda: datetime.now(UTC) + timedelta(minutes=10))
    cloud.work()
    assert cloud.call("GET", f"/api/jobs/{job['id']}")["state"] == "CompletedWithErrors"


def test_the_table_and_the_columns_of_the_source_are_told(world: World) -> None:
    """What a mapping is written from; and the check, as the command line has it."""
    HANDED.but(rest={}, source={"path": "in.csv"}).define(world)
    world.write("in.csv", FILE)
    cloud = Cloud(world)
    assert list(cloud.call("GET", "/api/syncs/story/source")["columns"]) == ["no", "name"]
    table = cloud.call("GET", "/api/syncs/story/destination")
    assert (table["name"], table["id_column"]) == ("account", "accountid")
    assert cloud.post("/api/syncs/story/check", {}, 200) == {"sync": "story", "problems": []}
    assert [one["up"] for one in cloud.post("/api/syncs/story/test", {}, 200)["connections"]] == [True, True]


def test_an_approval_while_another_job_runs_waits(world: World) -> None:
    """409 says so, and the plan stays as it is."""
    HANDED.define(world)
    cloud = Cloud(world)
    job = cloud.call("POST", "/api/syncs/story/jobs", 202, **upload({"dry_run": True}))
    cloud.work()
    leases = cloud.hosted.app.stores.state
    lease = leases.acquire("story", "another", now=datetime.now(UTC), seconds=60)
    told = cloud.call("POST", f"/api/jobs/{job['id']}/apply", 409)
    assert told["type"] == "urn:dynsync:problem:already-running"
    leases.release(lease)
    cloud.call("POST", f"/api/jobs/{job['id']}/apply", 202)


def test_rejects_are_looked_at_and_run_again(world: World) -> None:
    """In the queue's turn; what was mended lands, and the list of open ones is empty."""
    short = {"no": "text", "name": {"type": "text", "max_length": 3, "validate": True}}
    HANDED.but(columns=short, behaviour={"strategy": "delta"}).define(world)
    cloud = Cloud(world)
    job = cloud.call("POST", "/api/syncs/story/jobs", 202, **upload({}))
    cloud.work()
    opened = cloud.call("GET", "/api/syncs/story/rejects", query={"cause": "Max Length Violation"})["cases"]
    assert [case["reject"]["key"] for case in opened] == ["A3", ""]
    assert cloud.call("GET", f"/api/jobs/{job['id']}/rejects/open", query={"key": "A3"})["cases"] == opened[:1]
    assert cloud.post("/api/syncs/story/replay", {"keys": ["nothing"]}, 422)["type"] == "urn:dynsync:problem:refuse"

    HANDED.but(behaviour={"strategy": "delta"}).define(world)
    again = cloud.post(f"/api/jobs/{job['id']}/replay", {"cause": "Max Length Violation", "keys": ["A3"]})
    assert again["state"] == "Queued"
    cloud.work()

    assert cloud.call("GET", f"/api/jobs/{again['id']}")["state"] == "Succeeded"
    assert column(world, "name") == {"A1": "One", "A2": "Two", "A3": "Three"}
    assert cloud.call("GET", "/api/syncs/story/rejects", query={"key": "A3"})["cases"] == []
