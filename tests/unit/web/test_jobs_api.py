"""Starting jobs and looking at them, by the API."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.errors import UnavailableError
from shared.values.jobs import JobState, Phase, Progress, ProgressNote
from shared.values.messages import OutgoingMessage
from shared.values.records import Reject, RejectType
from shared.web.call import Answer
from shared.wiring.connections import utc_now
from shared.wiring.nudges import Nudge
from shared.wiring.starting import Starter, Wanted
from tests.unit.web.conftest import NOW, Api, Opener, principal

BOUNDARY = "cut-here"
KEY = {"idempotency-key": "3f1c"}
MAY_READ = {
    "dynsync.read": {"accounts", "contacts", "files", "hidden"}, "crm-readers": {"accounts", "contacts", "files"},
    "strangers": set(),
}  # fmt: skip


class Bus:
    """A Service Bus that remembers what was sent."""

    def __init__(self, *, down: bool = False) -> None:
        self.sent: list[OutgoingMessage] = []
        self.down = down

    def send(self, queue: str, messages: list[OutgoingMessage]) -> None:
        assert queue == "sync-jobs"
        if self.down:
            raise UnavailableError("no answer")
        self.sent += messages


def form(request: object, files: dict[str, tuple[str, bytes]]) -> dict[str, Any]:
    """A multipart body, as browsers and curl write it."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="request"\r\n\r\n{json.dumps(request)}\r\n'.encode()
    ]
    for name, (file, content) in files.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    body = b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])
    return {"body": body, "headers": {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}}


def told(answer: Answer) -> Any:
    assert answer.status == 202, answer.body
    return json.loads(answer.body)


def with_bus(api: Api, bus: Bus) -> Api:
    api.hosted.nudges._bus = bus  # type: ignore[assignment]
    return api


def test_a_job_is_queued_and_nudged(api: Api) -> None:
    """202 with its id and where to look; the message names the job, with an id of its own."""
    bus = Bus()
    answer = with_bus(api, bus).call("POST", "/api/syncs/accounts/jobs", json_body={"variables": {"region": "NL"}})
    job = told(answer)
    assert answer.headers["Location"] == f"/api/jobs/{job['id']}"
    assert (job["state"], job["sync"], job["started_by"]) == ("Queued", "accounts", "nia@contoso.com")
    assert job["variables"] == {"region": "NL"}
    assert job["to_apply"] is True
    assert Nudge.from_json(bus.sent[0].body) == Nudge(job["id"], 1, 1)
    assert api.get(answer.headers["Location"]) == job


def test_a_dry_run_is_not_applied(api: Api) -> None:
    """The job is to plan and then to wait."""
    assert told(api.call("POST", "/api/jobs", json_body={"sync": "accounts", "dry_run": True}))["to_apply"] is False


def test_a_job_is_watched(api: Api) -> None:
    """How many come before it; while it runs, how far it is; whether it was asked to stop."""
    first, second = api.job(), api.job()
    assert api.get(f"/api/jobs/{first}/progress")["before"] == 0
    assert api.get(f"/api/jobs/{second}/progress") | {"before": 0} == {
        "state": "Queued", "phase": None, "done": 0, "total": None, "rejected": 0, "since": None, "at": None,
        "stopping": False, "before": 0,
    }  # fmt: skip
    assert api.get(f"/api/jobs/{second}/progress")["before"] == 1
    stores = api.hosted.app.stores
    stores.state.save(replace(stores.state.get(first), state=JobState.RUNNING))
    stores.progress.note("accounts", ProgressNote(first, Progress(Phase.APPLY, 3, 9), NOW, NOW))
    stores.state.ask_to_cancel(first, "nia")
    told = api.get(f"/api/jobs/{first}/progress")
    assert (told["state"], told["phase"], told["done"], told["total"]) == ("Running", "apply", 3, 9)
    assert told["stopping"]
    stores.progress.note("accounts", ProgressNote("an-earlier-job", Progress(Phase.APPLY, 3, 9), NOW, NOW))
    assert api.get(f"/api/jobs/{first}/progress")["phase"] is None


def test_a_lost_nudge_loses_no_job(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """The row is the truth: the start succeeds, and the timer nudges again."""
    bus = Bus(down=True)
    job = told(with_bus(api, bus).call("POST", "/api/syncs/accounts/jobs", json_body={}))
    assert "nudge.lost" in caplog.text
    bus.down = False
    api.hosted.every_minute(clock=lambda: utc_now() + timedelta(minutes=1))
    assert [Nudge.from_json(message.body).job for message in bus.sent] == [job["id"]]


def test_a_slice_that_is_not_the_last_asks_for_the_next(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a message with a fresh id, a moment later; a job that is done asks for the sync's next one instead."""
    first, second = api.job(), api.job()
    bus, state = Bus(), api.hosted.app.stores.state
    with_bus(api, bus)
    for became, asks in (
        (JobState.RUNNING, [Nudge(first, 4)]),
        (JobState.QUEUED, []),
        (JobState.FAILED, [Nudge(second, 1)]),
    ):
        job = replace(state.get(first), state=became)
        monkeypatch.setattr(api.hosted.app, "slice", lambda *_, job=job, **__: job)
        monkeypatch.setattr(api.hosted.app, "waiting", lambda _: [state.get(second)])
        bus.sent.clear()
        for _ in range(2):  # a broker may deliver twice
            api.hosted.run_job(Nudge(first, 3).to_json())
        assert [Nudge.from_json(message.body) for message in bus.sent] == asks * 2
        assert len({message.message_id for message in bus.sent}) == len(bus.sent)
        assert all((message.due is not None) == (became is JobState.RUNNING) for message in bus.sent)


def test_a_file_comes_along_under_its_own_name(api: Api) -> None:
    """It is kept with the job, whatever folder its name pretends."""
    body = form({"variables": {}}, {"extract": ("../../etc/erp 20250301.csv", b"no,label\nA1,One\n")})
    job = told(api.call("POST", "/api/syncs/files/jobs", **body))
    assert job["variables"] == {"extract": "erp 20250301.csv"}
    state = api.hosted.app.stores.state
    (name,) = job["handed_over"].values()
    assert state.path(job["id"], name).read_bytes() == b"no,label\nA1,One\n"


@pytest.mark.parametrize("sign", ["a", "é", "漢", "𠀀"])
def test_a_file_s_name_may_be_long_in_any_script(api: Api, sign: str) -> None:
    """A file system counts bytes, not signs."""
    body = form({"variables": {}}, {"extract": (sign * 200 + ".csv", b"no,label\nA1,One\n")})
    job = told(api.call("POST", "/api/syncs/files/jobs", **body))
    assert job["variables"]["extract"].endswith(sign + ".csv")
    (name,) = job["handed_over"].values()
    assert api.hosted.app.stores.state.path(job["id"], name).read_bytes() == b"no,label\nA1,One\n"


def test_a_file_may_lie_in_a_container_within_reach(api: Api) -> None:
    """Its address is the variable's value; another container is refused, and so is any other address."""
    start = lambda url: api.call("POST", "/api/syncs/files/jobs", json_body={"files": {"extract": url}})  # noqa: E731
    assert told(start("blob://incoming/erp.csv"))["variables"] == {"extract": "blob://incoming/erp.csv"}
    for url in (
        "blob://other/erp.csv", "https://contoso.com/a.csv", "file:///etc/passwd", "/etc/passwd",
        "http://169.254.169.254/metadata", "blob://incoming/../other/a.csv", "https://127.0.0.1/redirect",
    ):  # fmt: skip
        assert start(url).status == 403


def test_the_same_key_gives_the_same_job(api: Api, open_api: Opener) -> None:
    """Also after a restart; for another caller it is another key."""
    first = told(api.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY))
    again = told(api.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY))
    afresh = open_api(principal("dynsync.admin"))
    assert (
        first["id"]
        == again["id"]
        == told(afresh.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY))["id"]
    )
    other = open_api(principal("dynsync.admin", oid="5d-other"))
    assert told(other.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY))["id"] != first["id"]
    assert told(api.call("POST", "/api/syncs/accounts/jobs", json_body={}))["id"] != first["id"]


def test_two_function_keys_are_two_callers(api: Api) -> None:
    """The same Idempotency-Key of two machines starts two jobs; their function keys are kept nowhere."""
    start = lambda key: told(  # noqa: E731
        api.call("POST", "/api/jobs", json_body={"sync": "accounts"}, key=True, headers={**KEY, "x-functions-key": key})
    )["id"]
    assert start("machine-one-key") == start("machine-one-key") != start("machine-two-key")
    database = (api.folder / ".dynsync/state.db").read_bytes() + (api.folder / ".dynsync/state.db-wal").read_bytes()
    assert b"machine-one-key" not in database


def test_the_same_key_with_another_call_is_refused(api: Api) -> None:
    """422; nothing is started. Files count by what they hold."""
    file = lambda content: form({}, {"extract": ("a.csv", content)})  # noqa: E731
    start = lambda content: api.call(  # noqa: E731
        "POST", "/api/syncs/files/jobs", body=file(content)["body"], headers={**file(content)["headers"], **KEY}
    )
    first = told(start(b"one"))
    assert told(start(b"one"))["id"] == first["id"]
    assert start(b"two").status == 422
    assert api.call("POST", "/api/syncs/files/jobs", json_body={"dry_run": True}, headers=KEY).status == 422
    assert len(api.get("/api/jobs")["jobs"]) == 1


def test_a_refused_start_gives_its_key_back(api: Api) -> None:
    """Who corrects the call may send it under the same key."""
    assert api.call("POST", "/api/syncs/files/jobs", json_body={}, headers=KEY).status == 422
    assert api.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY).status == 202


def test_of_many_equal_calls_at_once_one_job_comes(api: Api) -> None:
    """All are told the same one."""
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(
            lambda _: told(api.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY))["id"], range(8)
        )
        assert len(set(answers)) == 1
    assert len(api.get("/api/jobs")["jobs"]) == 1


def test_jobs_are_listed_page_by_page(api: Api) -> None:
    """The newest first; `before` leads to the next page; filters by sync, state and beginning."""
    made = [api.job("accounts" if number % 2 else "contacts") for number in range(5)]
    api.call("POST", f"/api/jobs/{made[0]}/cancel")
    seen, query = [], {"limit": "2"}
    while True:
        page = api.get("/api/jobs", query=query)
        seen += [job["id"] for job in page["jobs"]]
        if page["before"] is None:
            break
        query["before"] = page["before"]
    assert seen == made[::-1]
    assert [job["id"] for job in api.get("/api/jobs", query={"state": "Cancelled,Failed"})["jobs"]] == made[:1]
    assert [job["id"] for job in api.get("/api/jobs", query={"beginning": made[2]})["jobs"]] == [made[2]]
    assert len(api.get("/api/jobs", query={"sync": "contacts"})["jobs"]) == 3


def test_jobs_of_one_instant_are_all_listed(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedules make jobs of many syncs at once: however small the pages, none falls between two of them.

    Of who may see some syncs, no other's jobs are read: there may be a million.
    """
    monkeypatch.setattr("shared.wiring.lookups._AT_A_TIME", 2)
    queue = lambda sync, at: api.hosted.app.queue(  # noqa: E731
        sync, variables={}, files={}, started_by="schedule", apply=False, at=at
    )
    times = [NOW + timedelta(hours=hour) for hour in range(3)]
    made = {queue(sync, at).id: (sync, at) for at in times for sync in ("accounts", "contacts", "hidden")}
    for who, may in MAY_READ.items():
        asked = listed(api, monkeypatch)
        for limit in ("1", "2", "4", "50"):
            seen, query = [], {"limit": limit}
            while True:
                page = api.get("/api/jobs", query=query, headers=principal(who))
                seen += [job["id"] for job in page["jobs"]]
                if page["before"] is None:
                    break
                query["before"] = page["before"]
            assert [made[one][1] for one in seen] == sorted((made[one][1] for one in seen), reverse=True)
            assert sorted(seen) == sorted(one for one, (sync, _) in made.items() if sync in may), who
        assert asked == ({None} if who == "dynsync.read" else may)


def test_who_led_to_a_job_is_told_to_those_who_may_know_of_it(api: Api) -> None:
    """A step of another sync began it: its name stands in no answer to who may not read that one."""
    job_id, store = api.job(), api.hosted.lookups.state
    store.save(replace(store.get(job_id), chain=("hidden", "contacts")))
    reader, executor = principal("crm-readers"), principal("crm-readers", "crm-operators")
    for path in ("/api/jobs", f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/report", f"/jobs/{job_id}", "/jobs"):
        assert b"hidden" not in api.call("GET", path, headers=reader).body, path
    assert api.get(f"/api/jobs/{job_id}", headers=reader)["chain"] == ["contacts"]
    assert api.get(f"/api/jobs/{job_id}")["chain"] == ["hidden", "contacts"]
    assert b"hidden \xe2\x80\xba contacts" in api.call("GET", f"/jobs/{job_id}").body
    cancelled = api.call("POST", f"/api/jobs/{job_id}/cancel", headers=executor)
    assert (cancelled.status, b"hidden" in cancelled.body) == (200, False)
    assert store.get(job_id).chain == ("hidden", "contacts")


def listed(api: Api, monkeypatch: pytest.MonkeyPatch) -> set[str | None]:
    """Fills with the syncs whose jobs are read from now on; None: all of them."""
    found: set[str | None] = set()
    store = api.hosted.lookups.state
    read = type(store).list

    def noting(**which: Any) -> Any:
        found.add(which["sync"])
        return read(store, **which)

    monkeypatch.setattr(store, "list", noting)
    return found


def test_what_a_job_has_not_is_empty(api: Api) -> None:
    """A queued job has no plan, no rejects and no story; its report says so."""
    job = api.job()
    assert api.get(f"/api/jobs/{job}/changes") == {"changes": [], "total": 0, "after": None}
    assert api.get(f"/api/jobs/{job}/rejects") == {"rejects": [], "after": None}
    assert api.get(f"/api/jobs/{job}/report")["rejects"] == []
    assert api.call("POST", f"/api/jobs/{job}/apply").status == 422


def test_rejects_come_as_a_file(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a spreadsheet: UTF-8 that it recognises, no text that it takes for a formula; not more than memory holds."""
    job, reject = api.job(), Reject(7, "=A1", RejectType.CONFLICT, "name", "ü\u202e", "moved")
    monkeypatch.setattr(api.hosted.app, "rejects", lambda _: iter([reject]))
    answer = api.call("GET", f"/api/jobs/{job}/rejects/file")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{job}-rejects.csv"'
    assert answer.content_type == "text/csv"
    head, line = answer.body.decode("utf-8-sig").splitlines()
    assert head.startswith("record,key,type,")
    assert line.startswith("7,'=A1,Conflict,name,ü\u202e,moved")
    assert len(api.call("GET", "/api/syncs/accounts/rejects/file").body.splitlines()) == 1
    monkeypatch.setattr("shared.web.routes.cases.LARGEST_BYTES", 10)
    assert api.call("GET", f"/api/jobs/{job}/rejects/file").status == 413


def test_a_job_that_wrote_nothing_is_not_undone(api: Api) -> None:
    """422 with the reason, before anything is queued."""
    job = api.job()
    assert api.call("POST", f"/api/jobs/{job}/undo", json_body={}).status == 422
    assert len(api.get("/api/jobs")["jobs"]) == 1


def test_a_broken_definition_says_why(api: Api) -> None:
    """In the list, and when it is started: 409 with every problem."""
    (broken,) = [sync for sync in api.get("/api/syncs")["syncs"] if sync["name"] == "broken"]
    assert broken["problems"]
    answer = api.call("POST", "/api/syncs/broken/jobs", json_body={})
    assert answer.status == 409
    assert len(json.loads(answer.body)["problems"]) == len(broken["problems"])


def test_a_sync_tells_what_to_ask_for(api: Api) -> None:
    """Its variables, and the caller's own rights with it."""
    sync = api.get("/api/syncs/files")
    assert sync["variables"] == [
        {"name": "extract", "description": "", "default": None, "required": True, "file": True}
    ]
    assert sync["rights"] == ["admin", "execute", "read", "write"]


def test_both_sides_are_tried(api: Api) -> None:
    """What stands in the way is told by side; here the secrets are missing."""
    sides = {one["name"]: one for one in json.loads(api.call("POST", "/api/syncs/accounts/test").body)["connections"]}
    assert sides["source"] == {"name": "source", "up": True, "note": "", "tried": True}
    assert not sides["destination"]["up"]
    assert "accounts--client" in sides["destination"]["note"]
    assert api.get("/api/syncs/accounts/source")["columns"].keys() == {"no", "label"}


def test_head_is_get_without_its_body(api: Api) -> None:
    """As HTTP has it."""
    assert api.call("HEAD", "/api/syncs").status == 200
    assert api.call("HEAD", "/api/syncs").body == b""


def test_a_fault_of_the_program_tells_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """500 as a problem document; the log has the place, and neither has the message."""
    monkeypatch.setattr(api.hosted.lookups.state, "list", lambda **_: 1 / len([]))
    answer = api.call("GET", "/api/jobs")
    assert answer.status == 500
    assert json.loads(answer.body)["type"] == "urn:dynsync:problem:unexpected"
    assert "call.broken error=ZeroDivisionError" in caplog.text
    assert "division" not in caplog.text


def test_names_of_files_are_made_harmless(api: Api, tmp_path: Path) -> None:
    """No name leads anywhere or hides."""
    for name in ("..", "...", "/", "a" * 300 + ".csv", "c:\\x\\y.csv", ".hidden", "ü 🌍.csv", "a\x00b.csv", ""):
        answer = api.call("POST", "/api/syncs/files/jobs", **form({}, {"extract": (name, b"no,label\n")}))
        kept = told(answer)["variables"]["extract"] if name else "file"
        assert kept
        assert not set(kept) & set("/\\\x00")
        assert not kept.startswith(".")


def test_keys_are_forgotten_after_a_week(api: Api) -> None:
    """The timer does it; then the key may start another job."""
    first = told(api.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY))
    for days, same in ((6, True), (8, False)):
        hour = (datetime.now(UTC) + timedelta(days=days)).replace(minute=0)
        api.hosted.every_minute(clock=lambda hour=hour: hour)  # type: ignore[misc]
        again = told(api.call("POST", "/api/syncs/accounts/jobs", json_body={}, headers=KEY))
        assert (again["id"] == first["id"]) == same


def test_what_lies_too_long_is_told_every_few_minutes(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """A job that nobody works on is in the log, at whole five minutes only; one that is being worked on is not."""
    caplog.set_level("INFO")
    job = told(api.call("POST", "/api/syncs/accounts/jobs", json_body={}))
    later = (utc_now() + timedelta(hours=2)).replace(minute=10)
    api.hosted.watch(clock=lambda: later.replace(minute=11))
    assert "job.stranded" not in caplog.text
    api.hosted.watch(clock=lambda: later)
    assert f"job.stranded sync=accounts job={job['id']}" in caplog.text
    caplog.clear()
    api.hosted.app.stores.state.acquire("accounts", job["id"], now=later, seconds=300)
    api.hosted.watch(clock=lambda: later)
    assert "job.stranded" not in caplog.text


def test_every_try_of_one_key_makes_the_same_job(api: Api) -> None:
    """A store knows a new job by its time and its id: both are the first try's, or two tries at once were two jobs."""
    starter = Starter(api.hosted.app, api.hosted.app.stores.calls, api.hosted.nudges, lambda: NOW)
    wanted = Wanted(sync="accounts", variables={}, files={}, started_by="nia", apply=False)
    assert starter.start(wanted, key="one").created_at == NOW
