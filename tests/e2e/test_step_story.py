"""Stories of the steps after a job: when they run, what they say, and that none hides what the job did."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.dataverse.logic import Operation, Workflow
from shared.engine.history import written
from shared.errors import StaleLeaseError
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes
from tests.e2e.hook import Hook, listening
from tests.e2e.stories import Sync, column
from tests.postgres import Server

ROOT = Path(__file__).parents[2]
FLOW = "0d000000-0000-4000-8000-00000000f10a"
ACCOUNT = Sync(
    columns={"no": "text", "name": "text"}, maps={"no": "accountnumber", "name": "name"}, key=["accountnumber"]
)
TOO_LONG = "x" * 5000


@pytest.fixture
def hook() -> Iterator[Hook]:
    with listening() as made:
        yield made


def stepping(*steps: dict[str, Any], **rest: object) -> Sync:
    return ACCOUNT.but(rest={"post_sync": list(steps), **rest})


def told(job: Job) -> list[tuple[str, bool, str]]:
    return [(step.name, step.succeeded, step.detail) for step in job.steps]


def secret(world: World, name: str, value: str) -> dict[str, str]:
    world.environ["DYNSYNC_SECRET_" + f"story--{name}".upper().replace("-", "_")] = value
    return {"secret": f"story--{name}"}


def test_an_action_and_a_function_are_called_with_the_jobs_words(world: World) -> None:
    """Variables in the parameters; each of its own type."""
    world.dataverse.declare(
        Operation.of(
            {
                "name": "new_Refresh",
                "parameters": {"JobId": "text", "Count": "text", "Force": "boolean", "N": "number"},
                "does": {"set": {"description": "$JobId"}, "table": "account"},
            }
        )
    )
    world.dataverse.declare(
        Operation.of({"name": "new_Ask", "kind": "function", "parameters": {"T": "text", "N": "number"}, "does": {}})
    )
    parameters = {"JobId": "@job_id", "Count": "@job_created of @job_sync", "Force": True, "N": 1.5}
    sync = stepping(
        {"name": "refresh", "action": "new_Refresh", "parameters": parameters},
        {"name": "ask", "function": "new_Ask", "parameters": {"T": "O'Brien & @job_state", "N": 7}},
    )
    job = sync.run(world, ["A1", "One"])
    assert [(name, ok) for name, ok, _ in told(job)] == [("refresh", True), ("ask", True)], told(job)
    assert (job.state, column(world, "description")) == (JobState.SUCCEEDED, {"A1": job.id})
    asked = [request for request in world.dataverse.requests if "new_Ask" in request.path]
    assert len(asked) == 1


def test_a_workflow_starts_for_each_row_that_was_written(world: World) -> None:
    """Created or updated ones, not those that were refused or are as they were."""
    flow = {"id": FLOW, "name": "Mark", "table": "account", "does": {"set": {"description": "marked"}}}
    world.dataverse.declare(Workflow.of(flow))
    ACCOUNT.run(world, ["A1", "One"], ["A2", "Two"])
    sync = stepping({"name": "mark", "workflow": {"id": FLOW}})
    job = sync.run(world, ["A1", "One"], ["A2", "Due"], ["A3", "Three"], ["A4", TOO_LONG])
    world.dataverse.settle()
    assert told(job) == [("mark", True, "started for 2 rows")]
    assert column(world, "description") == {"A1": None, "A2": "marked", "A3": "marked"}


def test_a_workflow_that_is_refused_says_how_often(world: World) -> None:
    """With the first reason; the job's own work stands."""
    sync = stepping({"name": "mark", "workflow": {"id": FLOW, "rows": ["created"]}})
    job = sync.run(world, ["A1", "One"])
    assert (job.state, job.source.created) == (JobState.COMPLETED_WITH_ERRORS, 1)
    ((_, succeeded, detail),) = told(job)
    assert not succeeded
    assert detail.startswith("the workflow was started for 0 rows and refused for 1: ")


def test_a_call_is_signed_and_tells_counts_only(world: World, hook: Hook) -> None:
    """The receiver can check the signature as the docs say; the body holds no value of any record."""
    http = {"url": f"{hook.url}/done/@job_id", "secret": "story--token", "signature": secret(world, "sign", "k")}
    secret(world, "token", "t0")
    job = stepping({"name": "tell", "http": http}).run(world, ["A1", "a name"])
    ((method, path, headers, body),) = hook.calls
    assert (method, path, headers["Authorization"]) == ("POST", f"/done/{job.id}", "Bearer t0")
    (recipe,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/post-sync.md").read_text(), re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(recipe, namespace)
    assert namespace["is_genuine"]("k", headers["X-Dynsync-Signature"], body)
    assert not namespace["is_genuine"]("k", headers["X-Dynsync-Signature"], body + b" ")
    said = json.loads(body)
    assert (said["job"], said["state"], said["source"]["created"]) == (job.id, "Succeeded", 1)
    assert b"a name" not in body
    assert told(job) == [("tell", True, "status 204")]


def test_a_body_of_ones_own_keeps_values_within_their_quotes(world: World, hook: Hook) -> None:
    """A variable with quotes and line ends is one JSON text."""
    http = {"url": f"{hook.url}/@word", "body": '{"said": "@word", "id": "@job_id"}', "method": "PUT"}
    sync = stepping({"name": "tell", "http": http}, variables={"word": {}})
    word = 'a/b "c"\n?&#'
    job = sync.run(world, ["A1", "One"], variables={"word": word})
    ((method, path, _, body),) = hook.calls
    assert (method, path, json.loads(body)) == (
        "PUT",
        "/a%2Fb%20%22c%22%0A%3F%26%23",
        {"said": word, "id": job.id},
    )


def test_a_step_is_told_where_the_rows_are_listed_that_landed(world: World, hook: Hook) -> None:
    """The addresses lead to the ids of what was created and updated, without what was refused."""
    world.environ["DYNSYNC_APP_URL"] = "https://contoso.example"
    ACCOUNT.run(world, ["A1", "One"])
    body = '{"created": "@job_created_url", "updated": "@job_updated_url", "n": "@job_created/@job_updated"}'
    sync = stepping({"name": "tell", "http": {"url": hook.url, "body": body}})
    job = sync.run(world, ["A1", "Uno"], ["A2", "Two"], ["A3", TOO_LONG])
    ((_, _, _, sent),) = hook.calls
    at = f"https://contoso.example/api/jobs/{job.id}/rows?action="
    assert json.loads(sent) == {"created": f"{at}create", "updated": f"{at}update,revive", "n": "1/1"}
    landed = {row.key: row.id for row in written(world.app._state, job.id)}
    assert landed == column(world, "accountid")
    assert list(landed) == ["A2", "A1"]


def test_a_passing_failure_is_tried_again(world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as the definition says, under the same delivery name; a refusal is not."""
    monkeypatch.setattr("shared.engine.stepping._PAUSE_S", 0.0)
    hook.answers = [503, 500, 204]
    job = stepping({"name": "tell", "attempts": 3, "http": {"url": hook.url}}).run(world, ["A1", "One"])
    assert [(step.attempts, step.succeeded) for step in job.steps] == [(3, True)]
    assert {headers["X-Dynsync-Delivery"] for _, _, headers, _ in hook.calls} == {f"{job.id}/tell"}
    hook.answers = [404, 204]
    job = stepping({"name": "tell", "attempts": 3, "http": {"url": hook.url}}).run(world, ["A1", "One"])
    assert [(step.attempts, step.succeeded) for step in job.steps] == [(1, False)]


def test_each_step_has_its_time(world: World, hook: Hook) -> None:
    """After jobs that came to their end, that failed, or both; one that fails does not stop the next."""
    calls = [
        {"name": when, "when": when, "http": {"url": f"{hook.url}/{when}"}}
        for when in ("succeeded", "failed", "always")
    ]
    hook.answers = [404]
    job = stepping(*calls).run(world, ["A1", "One"])
    assert [path for _, path, _, _ in hook.calls] == ["/succeeded", "/always"]
    assert [step.succeeded for step in job.steps] == [False, True]
    assert (job.state, job.source.created) == (JobState.COMPLETED_WITH_ERRORS, 1)
    hook.calls.clear()
    (world.folder / "data.csv").unlink()
    failed = world.run("story")
    assert [path for _, path, _, _ in hook.calls] == ["/failed", "/always"]
    assert (failed.state, "data.csv" in str(failed.error)) == (JobState.FAILED, True)
    assert json.loads(hook.calls[0][3])["state"] == "Failed"


def test_a_plan_that_waits_takes_no_step(world: World, hook: Hook) -> None:
    """It has not ended; applied, it has. Neither does a cancelled job."""
    sync = stepping({"name": "tell", "when": "always", "http": {"url": hook.url}})
    plan = sync.plan(world, ["A1", "One"])
    world.app.cancel(plan.id, by="otto")
    assert hook.calls == []
    assert [step.name for step in closes(world.apply(plan)).steps] == ["tell"]


@pytest.mark.parametrize("dialect", ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgresql"))])
def test_a_statement_is_carried_out_with_bound_values(
    world: World, dialect: str, request: pytest.FixtureRequest
) -> None:
    """In one transaction; a value is compared, never parsed; a refusal has changed nothing."""
    server: Server | None = request.getfixturevalue("postgresql") if dialect == "postgresql" else None
    address = server.conninfo() if server else "erp.db"
    create = "CREATE TABLE IF NOT EXISTS exported (no text PRIMARY KEY, job text)"

    def run(sql: str) -> list[tuple[object, ...]]:
        if server:
            with psycopg.connect(server.conninfo(), autocommit=True) as connection:
                cursor = connection.execute(sql.encode())
                return cursor.fetchall() if cursor.description else []
        with contextlib.closing(sqlite3.connect(world.folder / "erp.db")) as file, file:
            return file.execute(sql).fetchall()

    run("DROP TABLE IF EXISTS exported")
    run(create)
    run("INSERT INTO exported VALUES ('1', NULL), ('2', NULL)")
    update = "UPDATE exported"
    base = {"dialect": dialect, "connection": secret(world, "erp", address)}
    sync = stepping(
        {
            "name": "mark",
            "sql": {**base, "statement": f"{update} SET job = @job_id || @word WHERE no <> '@word'"},
        },
        {"name": "twice", "sql": {**base, "statement": "INSERT INTO exported VALUES ('3', 'x'), ('1', 'x')"}},
        {"name": "two", "sql": {**base, "statement": "DELETE FROM exported; DELETE FROM exported"}},
        variables={"word": {}},
    )
    job = sync.run(world, ["A1", "One"], variables={"word": "'; DROP TABLE exported; --"})
    assert [step.succeeded for step in job.steps] == [True, False, False], told(job)
    assert job.steps[0].detail == "2 rows"
    assert "nothing was changed" in job.steps[1].detail
    assert run("SELECT DISTINCT job FROM exported") == [(job.id + "'; DROP TABLE exported; --",)]
    assert "erp.db" not in " ".join(step.detail for step in job.steps)


def test_a_statement_has_its_time(world: World) -> None:
    """It is broken off, and nothing was changed; a file outside of reach is not opened."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    sqlite3.connect(world.folder / "erp.db").close()
    base = {"dialect": "sqlite", "statement": endless}
    sync = stepping(
        {"name": "endless", "timeout_s": 1, "sql": {**base, "connection": secret(world, "erp", "erp.db")}},
        {"name": "outside", "sql": {**base, "connection": secret(world, "far", "/etc/passwd")}},
    )
    job = sync.run(world, ["A1", "One"])
    assert "took longer than 1 s" in job.steps[0].detail
    assert "does not lie within the operator's reach" in job.steps[1].detail
    assert "passwd" not in job.steps[1].detail


def test_a_chain_carries_the_next_sync_out(world: World) -> None:
    """With its variables; the job tells which one it started, and that one who started it."""
    world.write("more.csv", "no,name\nB1,Two\n")
    second = ACCOUNT.but(name="second", source={"path": "@file"}, rest={"variables": {"file": {}}})
    second.define(world)
    job = stepping(
        {"name": "then", "sync": {"name": "second", "variables": {"file": "more.csv"}}},
    ).run(world, ["A1", "One"])
    started = world.app.job(str(job.steps[0].started))
    assert told(job) == [("then", True, f"started job {started.id}")]
    assert (started.sync, started.state, started.started_by) == ("second", JobState.SUCCEEDED, f"job {job.id}")
    assert sorted(map(str, column(world, "name"))) == ["A1", "B1"]


def test_check_names_a_chain_that_leads_nowhere_or_round(world: World) -> None:
    """Before any job: a sync that does not exist, a circle."""
    world.write("data.csv", "no,name\n")
    stepping({"name": "then", "sync": {"name": "secnd"}}).define(world)
    ACCOUNT.but(name="second", rest={"post_sync": [{"name": "back", "sync": {"name": "third"}}]}).define(world)
    ACCOUNT.but(name="third", rest={"post_sync": [{"name": "on", "sync": {"name": "second"}}]}).define(world)
    ((path, found, remedy),) = [(one.path, one.found, one.remedy) for one in world.app.check("story")]
    assert (path, found, remedy) == ("post_sync.0.sync.name", "there is no sync 'secnd'", "did you mean 'second'?")
    (problem,) = world.app.check("second")
    assert problem.found == "the syncs start each other in a circle: second → third → second"


def test_a_circle_of_syncs_ends(world: World) -> None:
    """The second does not start the first again."""
    world.write("data.csv", "no,name\nA1,One\n")
    ACCOUNT.but(name="second", rest={"post_sync": [{"name": "back", "sync": {"name": "story"}}]}).define(world)
    job = stepping({"name": "then", "sync": {"name": "second"}}).run(world, ["A1", "One"])
    second = world.app.job(str(job.steps[0].started))
    assert told(second) == [("back", False, "the syncs start each other in a circle: story → second → story")]
    assert len(world.app.jobs()) == 2


def test_steps_that_were_taken_are_not_taken_again(world: World, hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose process dies among its steps goes on with the next one."""
    sync = stepping(*({"name": name, "http": {"url": f"{hook.url}/{name}"}} for name in ("one", "two")))
    monkeypatch.setattr("shared.engine.running.Run.permit", _dies_at_second())
    with pytest.raises(StaleLeaseError):
        sync.run(world, ["A1", "One"])
    monkeypatch.undo()
    (dead,) = world.app.jobs()
    assert (dead.state, [step.name for step in dead.steps]) == (JobState.RUNNING, ["one"])
    job = closes(world.apply(dead))
    assert (job.state, [step.name for step in job.steps]) == (JobState.SUCCEEDED, ["one", "two"])
    assert [path for _, path, _, _ in hook.calls] == ["/one", "/two"]


def _dies_at_second() -> Any:
    calls: list[object] = []

    def permit(run: object) -> None:
        calls.append(run)
        if len(calls) == 2:
            raise StaleLeaseError("the lease was lost")

    return permit


def test_an_address_outside_of_reach_is_refused_when_it_is_called(world: World) -> None:
    """Also when a variable leads there."""
    url = "https://hooks.example.com/x"
    with pytest.raises(Exception, match="outbound"):
        stepping({"name": "tell", "http": {"url": url}}).run(world, ["A1", "One"])
