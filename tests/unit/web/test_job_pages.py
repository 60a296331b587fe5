"""Pages of jobs: what each state means, who finds which button, and what the buttons do."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.permissions import Operation
from shared.values.jobs import (
    Brake,
    DestinationBalance,
    Job,
    JobState,
    Phase,
    Progress,
    ProgressNote,
    Slices,
    SourceBalance,
    StepResult,
)
from shared.values.life import TRANSITIONS
from shared.values.watermarks import Watermark
from shared.web.pages.jobs import sums
from shared.web.pages.jobs.life import Meaning, Stand, meaning, ways
from shared.wiring.lookups import Lookups
from tests.unit.web.conftest import NOW, Api, Opener, principal
from tests.unit.web.test_pages import HOSTILE, OWN, html

Q, R, A, S = JobState.QUEUED, JobState.RUNNING, JobState.AWAITING_APPROVAL, JobState.SUCCEEDED
E, F, C = JobState.COMPLETED_WITH_ERRORS, JobState.FAILED, JobState.CANCELLED
PLANNED = {"create": 3, "update": 2}
UNTOUCHED = SourceBalance(read=9, unchanged=4, not_attempted=5)
BRAKE = Brake("creates", 3, 9, 1, "3 rows would be created, of 9; the brake `creates` allows 1")
REMOVALS = Brake("removals", 2, 9, 0, "2 rows would be removed, of 9")


def job_of(state: JobState, **told: Any) -> Job:
    return Job("20250301-120000-aaaa", "accounts", state, "nia", NOW, **told)


def put(api: Api, state: JobState, **told: Any) -> str:
    """A stored job of this state; its id."""
    store, job_id = api.hosted.app.stores.state, api.job()
    way = {Q: (), R: (), A: (R,), JobState.SUPERSEDED: (), C: (R,), JobState.UNDONE: (R, S)}
    for step in (*way.get(state, (R,)), state):
        store.save(replace(store.get(job_id), state=step, **told))
    return job_id


def buttons(text: str) -> set[str]:
    """Where the forms and the big links of a page lead, without the job."""
    forms = re.findall(r'<form method="post" action="/jobs/[^/"]+/(\w+)"', text)
    return {*forms, *(f"to {name}" for name in re.findall(r'class="button[^"]*" href="/jobs/[^/"]+/(\w+)"', text))}


# ---- what a state means


def test_every_state_has_its_sentence() -> None:
    """One that says what it means; where something is to be done, one that says what."""
    for state in JobState:
        told = meaning(job_of(state, planned=PLANNED, source=UNTOUCHED), Stand())
        assert told.means.endswith("."), state
        assert told.todo == "" or told.todo.endswith("."), state


@pytest.mark.parametrize(
    ("job", "stand", "words"),
    [
        (job_of(Q), Stand(ahead=2), "2 jobs of this sync come before it"),
        (job_of(Q), Stand(ahead=1), "1 job of this sync comes before it"),
        (job_of(Q), Stand(stopping=True), "was asked to stop"),
        (job_of(R), Stand(), "Nothing is written yet"),
        (job_of(R, planned=PLANNED), Stand(), "carries its plan out"),
        (job_of(R, planned=PLANNED), Stand(stopping=True), "within one batch"),
        (job_of(A, planned=PLANNED), Stand(), "waits for a person. Nothing is written"),
        (job_of(A, planned=PLANNED, brakes=(BRAKE,)), Stand(), "a brake holds it. Nothing is written"),
        (job_of(A, planned=PLANNED, brakes=(BRAKE, REMOVALS)), Stand(), "2 brakes hold it"),
        (job_of(A, planned=PLANNED, brakes=(BRAKE,)), Stand(wrote=True), "What was written until then stays"),
        (job_of(A, planned=PLANNED), Stand(outdated_by="x"), "it is out of date"),
        (job_of(E, source=SourceBalance(conflict=7), undoes="x"), Stand(), "7 changes were not taken back"),
        (job_of(E, destination=DestinationBalance(refused=1)), Stand(), "1 removal was refused. The rejects tell"),
        (job_of(E, source=SourceBalance(rejected=20_000)), Stand(open=10_000), "At least 10,000 records are still"),
        (job_of(A, planned=PLANNED), Stand(redefined=True), "cannot be applied any more"),
        (job_of(F, planned=PLANNED, source=UNTOUCHED), Stand(redefined=True), "make a new plan"),
        (job_of(S), Stand(), "Nothing differed"),
        (job_of(S, planned=PLANNED), Stand(wrote=True), "Everything was carried out"),
        (job_of(E, source=SourceBalance(rejected=1)), Stand(), "1 record was set aside"),
        (job_of(E, source=SourceBalance(rejected=3)), Stand(open=2), "2 records are still"),
        (job_of(E, source=SourceBalance(rejected=3)), Stand(), "has been read again since"),
        (job_of(E, steps=(StepResult("s", "http", False, 1, 1, ""),)), Stand(), "1 step"),
        (job_of(F), Stand(), "before anything was written"),
        (job_of(F, planned=PLANNED, source=UNTOUCHED), Stand(), "nothing of its plan was written"),
        (job_of(F, planned=PLANNED, source=UNTOUCHED), Stand(wrote=True), "3 creates and 2 updates are"),
        (job_of(C, planned=PLANNED, source=UNTOUCHED), Stand(outdated_by="x"), "cannot go on"),
        (job_of(C), Stand(), "cancelled before anything was written"),
        (job_of(JobState.SUPERSEDED), Stand(), "Nothing of it was written"),
        (job_of(JobState.UNDONE), Stand(wrote=True), "taken back"),
    ],
)  # fmt: skip
def test_what_a_state_means(job: Job, stand: Stand, words: str) -> None:
    """In the words of this very job."""
    told: Meaning = meaning(job, stand)
    assert words in f"{told.means} {told.todo}"


def test_ways_follow_the_life_of_a_job() -> None:
    """What the store would refuse is not offered; without a right, nothing is."""
    for state in JobState:
        job = job_of(state, planned=PLANNED, source=UNTOUCHED)
        able = ways(job, Stand(wrote=True, open=1), lambda _: True)
        assert able.apply == (state in (A, F, C)), state
        assert able.cancel == (C in TRANSITIONS[state]), state
        assert able.undo == (JobState.UNDONE in TRANSITIONS[state]), state
        unable = ways(job, Stand(wrote=True, open=1), lambda _: False)
        assert not any((unable.apply, unable.cancel, unable.undo, unable.replay)), state
    waits = job_of(A, planned=PLANNED)
    assert not ways(waits, Stand(outdated_by="later"), lambda _: True).apply
    assert not ways(waits, Stand(redefined=True), lambda _: True).apply
    assert not ways(waits, Stand(stopping=True), lambda _: True).cancel
    assert not ways(job_of(S, planned=PLANNED), Stand(), lambda _: True).undo
    assert not ways(job_of(S, planned=PLANNED, undoes="other"), Stand(wrote=True), lambda _: True).undo
    assert ways(waits, Stand(), lambda one: one is Operation.APPLY).apply
    assert not ways(waits, Stand(), lambda one: one is Operation.APPLY).cancel


def test_balances_as_tables_close() -> None:
    """Every bucket that holds something stands there once, and the lines add up to what was read."""
    source = SourceBalance(read=9, created=1, updated=2, unchanged=3, asked_to_delete=1, not_attempted=2)
    rows = DestinationBalance(read=7, matched=4, duplicate=1, deleted=1, not_attempted=1)
    told = sums.balances(job_of(S, source=source, destination=rows))
    assert [sum(line.count for line in balance.lines if not line.part) for balance in told] == [9, 7]
    assert sum(line.count for line in told[1].lines if line.part) == rows.dropped
    assert all(line.means for balance in told for line in balance.lines)
    undo = sums.balances(job_of(S, source=source, destination=rows, undoes="other"))[0]
    assert [line.name for line in undo.lines][:2] == ["made again", "restored"]
    assert all(line.means for line in undo.lines)
    assert not sums.balances(job_of(S, source=replace(source, read=8)))[0].closes
    assert sums.balances(job_of(Q)) == []


# ---- the pages


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_of_every_state(state: JobState, open_api: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may execute finds the buttons of the state, who may read finds none; both pages are sound."""
    monkeypatch.setattr(Lookups, "wrote", lambda *_: True)
    api = open_api(principal("crm-operators"))
    job_id = put(api, state, planned=PLANNED, source=UNTOUCHED)
    text = html(api.call("GET", f"/jobs/{job_id}"))
    wanted = {
        Q: {"cancel"}, R: {"cancel"}, A: {"cancel", "apply", "undo", "to changes"} - {"undo"},
        F: {"apply", "undo", "to changes"}, C: {"apply", "undo", "to changes"},
        JobState.UNDONE: set(),
    }.get(state, {"undo"})  # fmt: skip
    assert buttons(text) == wanted
    assert ("watch.js" in text) == (state in (Q, R))
    assert buttons(html(open_api(principal("crm-readers")).call("GET", f"/jobs/{job_id}"))) == set()
    for path in ("changes", "rejects"):
        html(api.call("GET", f"/jobs/{job_id}/{path}"))


def test_a_job_tells_all_that_is_kept_of_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables, phases, requests, steps, notes, error, brakes and watermark; what looks like HTML is text."""
    monkeypatch.setattr(Lookups, "wrote", lambda *_: True)
    job_id = put(
        api, E, planned=PLANNED, source=SourceBalance(read=5, created=3, updated=2),
        variables={"region": HOSTILE}, timings_s={"apply": 61.0, "plan": 0.5}, error=f"see `apply x` {HOSTILE}",
        requests={"requests": 12, "retries": 3, "throttled_s": 61}, notes=(f"a note, {HOSTILE}",), brakes=(BRAKE,),
        steps=(StepResult("tell", "http", False, 3, 30.0, HOSTILE), StepResult("next", "job", True, 1, 1.0, "", "j2")),
        applied_by=HOSTILE, finished_at=NOW + timedelta(minutes=2), definition_version="1.2.0", skipped_cells=7,
        definition_hash="ab" * 32, watermark=Watermark("changed_at", 5), chain=("erp",),
    )  # fmt: skip
    text = html(api.call("GET", f"/jobs/{job_id}"))
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;") == 5
    for words in ("1 min 01 s", "12 requests", "3 of them repeats", "3 attempts", 'href="/jobs/j2"', "version 1.2.0",
                  "<code>apply x</code>", "A note", "changed_at = 5", "7, since", "abababababab", ">erp<"):  # fmt: skip
        assert words in text, words


def test_jobs_are_listed_filtered_and_paged(open_api: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only of syncs that the caller may see; by sync, by state, by what is under way; fields left empty say nothing."""
    monkeypatch.setattr("shared.web.pages.jobs.listing.AT_ONCE", 2)
    api = open_api(principal("crm-readers"))
    made = [api.job(name) for name in ("accounts", "contacts", "hidden", "accounts")]
    ended = put(api, S, source=SourceBalance(read=5, unchanged=5))

    def listed(**query: str) -> list[str]:
        text = html(api.call("GET", "/jobs", query=query))
        assert "hidden" not in text
        older = re.search(r'href="/jobs\?[^"]*before=([^"&]+)"', text)
        found = re.findall(r'class="name" href="/jobs/([^"]+)"', text)
        if older is None:
            return found
        return found + listed(**query | {"before": older[1].replace("%3A", ":").replace("%2B", "+")})

    assert listed() == listed(sync="", state="") == [ended, made[3], made[1], made[0]]
    assert listed(sync="contacts") == [made[1]]
    assert listed(state="under-way") == [made[3], made[1], made[0]]
    assert listed(state="Succeeded") == [ended]
    assert listed(state="Failed") == []
    html(api.call("GET", "/jobs", query={"state": "Happy"}), 422)
    assert "No job has run yet" in html(open_api(principal("others")).call("GET", "/jobs"))


def test_a_running_job_says_how_far_it_is(api: Api) -> None:
    """As it was noted, also without a script; a plain link looks again."""
    job_id = put(api, R)
    note = ProgressNote(job_id, Progress(Phase.READ_DESTINATION, 5000, 20000), NOW, NOW)
    api.hosted.app.stores.progress.note("accounts", note)
    text = html(api.call("GET", f"/jobs/{job_id}"))
    assert "read destination</span>" in text
    assert "5,000 of 20,000" in text
    assert 'max="20000" value="5000"' in text
    assert f'id="again" href="/jobs/{job_id}"' in text


# ---- what the buttons do


def post(api: Api, path: str, body: str = "") -> Any:
    return api.call("POST", path, headers=OWN, body=body.encode())


@pytest.mark.parametrize("held", [{"brakes": (BRAKE,)}, {"planned": {"delete": 2, "create": 3}}])
def test_what_deletes_or_is_braked_is_confirmed_on_a_page_of_its_own(held: dict[str, Any], api: Api) -> None:
    """The job's page leads there; a form without the confirmation does, too, and changes nothing."""
    job_id = put(api, A, **{"planned": PLANNED, "source": UNTOUCHED, **held})
    assert "to apply" in buttons(html(api.call("GET", f"/jobs/{job_id}")))
    answer = post(api, f"/jobs/{job_id}/apply")
    assert (answer.status, answer.headers["Location"]) == (303, f"/jobs/{job_id}/apply")
    assert api.get(f"/api/jobs/{job_id}")["state"] == "AwaitingApproval"
    text = html(api.call("GET", f"/jobs/{job_id}/apply"))
    assert ("2 rows are deleted" in text) == ("planned" in held)
    assert ("the brake <code>creates</code> allows 1" in text) == ("brakes" in held)
    assert 'name="confirmed" value="true"' in text
    assert post(api, f"/jobs/{job_id}/apply", "confirmed=perhaps").status == 422


def test_a_harmless_plan_is_applied_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own button, which says how much; the person stands with the job."""
    applied: list[tuple[str, str]] = []
    monkeypatch.setattr(api.hosted, "apply", lambda job, *, by: applied.append((job.id, by)) or job)
    job_id = put(api, A, planned=PLANNED, source=UNTOUCHED)
    assert '<button class="button--plain">Apply 3 creates and 2 updates</button>' in html(
        api.call("GET", f"/jobs/{job_id}")
    )
    answer = post(api, f"/jobs/{job_id}/apply")
    assert (answer.status, answer.headers["Location"]) == (303, f"/jobs/{job_id}?said=applied")
    braked = put(api, A, planned=PLANNED, source=UNTOUCHED, brakes=(BRAKE,))
    assert post(api, f"/jobs/{braked}/apply", "confirmed=true").headers["Location"] == f"/jobs/{braked}?said=applied"
    assert applied == [(job_id, "nia@contoso.com"), (braked, "nia@contoso.com")]


def test_nothing_is_confirmed_that_does_not_wait(api: Api) -> None:
    """A job at its end, and a plan that is out of date, have no form there."""
    for job_id in (put(api, S, planned=PLANNED), put(api, A, planned=PLANNED)):
        put(api, R, slices=Slices(begun=1))
        text = html(api.call("GET", f"/jobs/{job_id}/apply"))
        assert "Nothing waits to be applied" in text
        assert buttons(text) == set()


def test_cancel_and_undo(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancel stops the job; an undo is planned, never carried out at once; what is refused is told as a page."""
    job_id = api.job()
    assert post(api, f"/jobs/{job_id}/cancel").headers["Location"] == f"/jobs/{job_id}"
    assert api.get(f"/api/jobs/{job_id}")["state"] == "Cancelled"
    html(post(api, f"/jobs/{job_id}/cancel"), 409)
    html(post(api, f"/jobs/{job_id}/undo"), 422)
    asked: list[bool] = []
    monkeypatch.setattr(api.hosted, "undo", lambda job, *, by, apply: asked.append(apply) or replace(job, id="undo-1"))
    assert post(api, f"/jobs/{job_id}/undo").headers["Location"] == "/jobs/undo-1?said=undone"
    assert asked == [False]
    store, under_way = api.hosted.app.stores.state, api.job()
    store.save(replace(store.get(under_way), undoes=job_id))
    assert post(api, f"/jobs/{job_id}/undo").headers["Location"] == f"/jobs/{under_way}"
    assert asked == [False]
    assert f'Its undo: job <a class="mono" href="/jobs/{under_way}"' in html(api.call("GET", f"/jobs/{job_id}"))


def test_a_running_job_is_asked_to_stop(api: Api) -> None:
    """The page says so once, and then that it was asked; the button is gone."""
    job_id = put(api, R)
    api.hosted.app.stores.state.acquire("accounts", job_id, now=datetime.now(UTC), seconds=60)
    assert post(api, f"/jobs/{job_id}/cancel").headers["Location"] == f"/jobs/{job_id}?said=cancelled"
    text = html(api.call("GET", f"/jobs/{job_id}"))
    assert "It was asked to stop" in text
    assert buttons(text) == set()


def test_a_reader_s_forms_are_refused(open_api: Opener) -> None:
    """Also where somebody sends them without the button, or from another site."""
    job_id = open_api(principal("dynsync.admin")).job()
    for path in ("apply", "cancel", "undo", "replay"):
        html(post(open_api(principal("crm-readers")), f"/jobs/{job_id}/{path}"), 403)
        foreign = {**OWN, "origin": "https://evil.example"}
        admin = open_api(principal("dynsync.admin"))
        html(admin.call("POST", f"/jobs/{job_id}/{path}", headers=foreign), 403)
    html(post(open_api(principal("others")), f"/jobs/{job_id}/cancel"), 404)


def test_a_plan_of_an_older_definition_is_not_offered(api: Api) -> None:
    """Once the sync's was edited; a job that ran an edit names its revision, and who made it."""
    waits = put(api, A, planned=PLANNED, source=UNTOUCHED)
    assert "apply" in buttons(html(api.call("GET", f"/jobs/{waits}")))
    text = (api.folder / "syncs/accounts.yaml").read_text().replace("changed: update", "changed: ignore")
    edit = {"json_body": {"text": text}, "headers": {"if-match": '"0"'}}
    assert api.call("PUT", "/api/syncs/accounts/definition", **edit).status == 200
    page = html(api.call("GET", f"/jobs/{waits}"))
    assert "it cannot be applied any more" in page
    assert buttons(page) == {"cancel"}
    assert "revision 1" not in page
    page = html(api.call("GET", f"/jobs/{put(api, S)}"))
    assert 'definition/revisions/1">revision 1</a> by nia@contoso.com' in page
