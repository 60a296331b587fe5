"""Pages of plans, rejects and records: field values are shown whole and harmless, and repair goes the right way."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from shared.values.cases import ANY, Case, Choice
from shared.values.changes import Action, Outcome, OutcomeStatus
from shared.values.jobs import Job, JobState, SourceBalance
from shared.values.plans import FieldChange, PlannedChange
from shared.values.records import Reject, RejectType
from shared.values.stories import ChangeStory, RecordStory
from shared.wiring.lookups import Lookups
from tests.unit.web.conftest import Api, Opener, principal
from tests.unit.web.test_job_pages import post, put
from tests.unit.web.test_pages import HOSTILE, html

LONG = "y" * 10_000
TURNED = "safe\u202egnp.exe"
NASTY = (HOSTILE, LONG, TURNED, "one\r\ntwo", "\x00")
CHANGES = [
    PlannedChange(
        1, Action.CREATE, HOSTILE, "8d", 1, tuple(FieldChange(f"c{n}", None, v) for n, v in enumerate(NASTY))
    ),
    PlannedChange(2, Action.UPDATE, "A2", "8e", 2, (FieldChange("name", "One", "Two"), FieldChange("size", 1, None))),
    PlannedChange(3, Action.DELETE, "A3", "8f", None, (FieldChange("name", "Three", None),)),
]
REJECTS = [
    Reject(1, "A1", RejectType.INVALID_FORMAT, "size", "big", "not a number such as 1"),
    Reject(2, "A2", RejectType.INVALID_FORMAT, "size", HOSTILE, "not a number such as 2"),
    Reject(3, "A3", RejectType.REFUSED, None, None, HOSTILE, "0x80040265", "req-1", source='{"no": "A3", "l": null}'),
    Reject(4, None, RejectType.MALFORMED_ROW, None, TURNED, "2 cells instead of 9", source="a,b"),
    Reject(5, "A5", RejectType.MANDATORY, "name", None, "mandatory and empty", rejecting=False),
]
PLANNED = {"create": 1, "update": 1, "delete": 1}


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every job has this plan and these rejects, of which the first two and the torn line are open."""

    def changes(_: Lookups, __: Job, *, limit: int, after: int, actions: Any, key: str | None) -> list[PlannedChange]:
        fitting = (one for one in CHANGES if one.change > after and key in (None, one.key))
        return [one for one in fitting if not actions or one.action in actions][:limit]

    def open_rejects(_: Any, target: str, choice: Choice = ANY) -> Any:
        job = "j1" if target == "accounts" else target
        cases = (Case(job, reject, kept=reject.key is not None) for reject in (*REJECTS[:2], REJECTS[3]))
        return (case for case in cases if choice.fits(case))

    monkeypatch.setattr(Lookups, "changes", changes)
    monkeypatch.setattr("shared.wiring.app.LocalApp.open_rejects", open_rejects)
    monkeypatch.setattr("shared.wiring.app.LocalApp.rejects", lambda *_: iter(REJECTS))


def job(api: Api) -> str:
    aside = SourceBalance(read=9, created=5, rejected=4)
    return put(api, JobState.COMPLETED_WITH_ERRORS, planned=PLANNED, source=aside, open_rejects=3)


def harmless(text: str) -> None:
    """Nothing of the hostile values reached the page as anything but text."""
    assert "<script>alert" not in text
    assert not set(text) & set("\u202e\x00\r")


@pytest.mark.usefixtures("kept")
def test_a_plan_change_by_change(api: Api) -> None:
    """A created row has no values before, a deleted one none afterwards; null says so; hostile values are text."""
    text = html(api.call("GET", f"/jobs/{job(api)}/changes"))
    harmless(text)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert 'title="right-to-left override">U+202E' in text
    assert text.count(LONG) == 1
    assert "all 10,000 characters" in text
    made, changed, gone = re.findall(r"<article.*?</article>", text, re.S)
    assert 'class="before"' not in made
    assert re.search(r'class="before"><div><bdi class="value"><mark>One</mark>', changed)
    assert re.search(r'class="after"><div><span class="muted">\(empty\)', changed)
    assert 'class="after"' not in gone


@pytest.mark.usefixtures("kept")
def test_a_plan_is_filtered_searched_and_paged(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """By action, by key, a page at a time."""
    monkeypatch.setattr("shared.web.pages.jobs.changes.AT_ONCE", 1)
    path = f"/jobs/{job(api)}/changes"
    seen: list[str] = []
    query: dict[str, str] = {}
    while True:
        text = html(api.call("GET", path, query=query))
        seen += re.findall(r"<caption[^>]*>(\w+) number", text)
        after = re.search(r'changes\?[^"]*after=(\d+)"', text)
        if after is None:
            break
        query = {"after": after[1]}
    assert seen == ["create", "update", "delete"]
    assert "delete number 3" in html(api.call("GET", path, query={"action": "delete", "key": ""}))
    assert "update number 2" in html(api.call("GET", path, query={"key": "A2"}))
    assert "has this key" in html(api.call("GET", path, query={"key": "none", "action": ""}))
    html(api.call("GET", path, query={"action": "explode"}), 422)


@pytest.mark.usefixtures("kept")
def test_a_plan_of_long_values_is_seen_in_shorter_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A memo has up to a million characters: what does not fit is on the next page, and one change fits always."""
    long = tuple(FieldChange("c", None, "\u202e" * 600) for _ in range(2))
    monkeypatch.setitem(
        globals(), "CHANGES", [PlannedChange(n, Action.CREATE, f"A{n}", "8d", n, long) for n in (1, 2, 3)]
    )
    monkeypatch.setattr("shared.web.pages.jobs.changes.PAGE_CHARACTERS", 2400)
    path = f"/jobs/{job(api)}/changes"
    first = html(api.call("GET", path))
    assert (first.count("<article"), re.findall(r"after=(\d+)", first)) == (2, ["2"])
    last = html(api.call("GET", path, query={"after": "2"}))
    assert (last.count("<article"), "after=" in last) == (1, False)
    monkeypatch.setattr("shared.web.pages.jobs.changes.PAGE_CHARACTERS", 10)
    assert html(api.call("GET", path)).count("<article") == 1


def test_a_job_without_a_plan_says_so(api: Api) -> None:
    """Before it is made, and when nothing differed."""
    assert "not made yet" in html(api.call("GET", f"/jobs/{api.job()}/changes"))
    assert "planned no changes" in html(api.call("GET", f"/jobs/{put(api, JobState.SUCCEEDED)}/changes"))


# ---- rejects


@pytest.mark.usefixtures("kept")
def test_rejects_by_cause(open_api: Opener) -> None:
    """The most frequent first, with examples, and how many are open; who may execute may run them again."""
    api = open_api(principal("crm-operators"))
    job_id = job(api)
    text = html(api.call("GET", f"/jobs/{job_id}/rejects"))
    harmless(text)
    assert re.findall(r'href="[^"]*rejects\?cause=([^"]+)"', text)[0] == "Invalid+Format%2Fsize"
    assert "4 records rejected; 1 lesser problem reported; 3 records are still open" in text
    states = re.findall(r'badge--\w+">([^<]*(?:open|losed|eported))<', text)
    assert states == ["2 open", "Closed", "1 open", "Reported"]
    assert f'action="/jobs/{job_id}/replay"' in text
    assert f'href="/api/jobs/{job_id}/rejects/file"' in text
    of_sync = html(api.call("GET", "/syncs/accounts/rejects"))
    assert 'action="/syncs/accounts/replay"' in of_sync
    assert "3 records rejected" in of_sync
    reader = open_api(principal("crm-readers"))
    for path in (f"/jobs/{job_id}/rejects", "/syncs/accounts/rejects"):
        assert "<form" not in html(reader.call("GET", path))


@pytest.mark.usefixtures("kept")
def test_open_or_closed_is_told_of_a_job_at_its_end_only(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before, a record is just set aside; and what an undo left as it is was never a record to run again."""
    monkeypatch.setattr("shared.wiring.app.LocalApp.open_rejects", lambda *_: iter(()))
    for told, word in (({}, "Set aside"), ({"undoes": "20250101-000000-aaaa"}, "Left as it is")):
        job_id = put(api, JobState.AWAITING_APPROVAL, planned=PLANNED, **told)
        for query in ({}, {"cause": "Invalid Format"}):
            text = html(api.call("GET", f"/jobs/{job_id}/rejects", query=query))
            assert f">{word}<" in text
            assert ">Closed<" not in text
            assert "open any more" not in text


@pytest.mark.usefixtures("kept")
def test_each_reject_of_a_cause_or_a_key(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With where it was, what was found and the whole record; those that can be run again can be chosen."""
    path = f"/jobs/{job(api)}/rejects"
    text = html(api.call("GET", path, query={"cause": "Invalid Format/size"}))
    harmless(text)
    assert re.findall(r'name="keys\[\]" value="([^"]+)"', text) == ["A1", "A2"]
    refused = html(api.call("GET", path, query={"key": "A3", "cause": ""}))
    for words in ("0x80040265", "req-1", "the whole record", ">l</dt>", "(empty)"):
        assert words in refused, words
    torn = html(api.call("GET", path, query={"cause": "Malformed Row"}))
    harmless(torn)
    assert "cannot be replayed" in torn
    assert 'name="keys[]"' not in torn
    monkeypatch.setattr("shared.web.pages.jobs.rejects.AT_ONCE", 1)
    assert "after=1" in html(api.call("GET", "/syncs/accounts/rejects", query={"cause": "Invalid Format/size"}))
    assert "No reject fits" in html(api.call("GET", path, query={"cause": "Conflict"}))


@pytest.mark.parametrize(
    ("body", "choice", "runs"),
    [
        ("then=plan", Choice(), False),
        ("then=run&cause=Invalid+Format%2Fsize", Choice(cause="Invalid Format/size"), True),
        ("then=plan&cause=&keys%5B%5D=A1&keys%5B%5D=A2", Choice(keys=("A1", "A2")), False),
        ("then=run&lines=A1%0D%0A%20%0D%0AA%2C2%20", Choice(keys=("A1", "A,2")), True),
    ],
)
def test_what_is_run_again(body: str, choice: Choice, runs: bool, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """All, of a cause, of keys that were ticked or typed; planned first unless somebody says otherwise."""
    asked: list[tuple[str, Choice, bool]] = []
    job_id = api.job()
    made = api.hosted.find_job(job_id)
    assert made is not None

    def replay(target: str, wanted: Choice, *, by: str, apply: bool) -> Job:
        asked.append((target, wanted, apply))
        return replace(made, id=f"replay-by-{by.partition('@')[0]}")

    monkeypatch.setattr(api.hosted, "replay", replay)
    for path, target in ((f"/jobs/{job_id}", job_id), ("/syncs/accounts", "accounts")):
        answer = post(api, f"{path}/replay", body)
        assert (answer.status, answer.headers["Location"]) == (303, "/jobs/replay-by-nia?said=replayed")
        assert asked.pop() == (target, choice, runs)


def test_a_replay_of_nothing_is_refused(api: Api) -> None:
    """As a page that says what there is instead; too many keys are told before."""
    html(post(api, "/syncs/accounts/replay", "then=plan"), 422)
    html(post(api, "/syncs/accounts/replay", "lines=" + "%0A".join(map(str, range(1001)))), 422)


# ---- one record


def test_what_became_of_a_record(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Job by job: what was planned, what came of it, and why it was set aside; without a key, a question."""
    done = Outcome(2, OutcomeStatus.REJECTED, "0x80040265", HOSTILE)
    found = api.hosted.find_job(api.job())
    assert found is not None
    story = RecordStory(found, (ChangeStory(CHANGES[1], done), ChangeStory(CHANGES[0], done)), (REJECTS[2],))
    asked: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        api.hosted.app, "stories", lambda key, **how: asked.append((key, how)) or ([story] if key == "A2" else [])
    )
    text = html(api.call("GET", "/syncs/accounts/records", query={"key": "A2"}))
    harmless(text)
    assert "Refused by Dataverse" in text
    assert "Set aside" in text
    assert asked == [("A2", {"sync": "accounts", "limit": 50})]
    assert "No job that is kept" in html(api.call("GET", "/syncs/accounts/records", query={"key": HOSTILE}))
    html(api.call("GET", "/syncs/accounts/records", query={"key": " "}))
    assert len(asked) == 2
