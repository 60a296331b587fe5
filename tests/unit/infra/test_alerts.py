"""Alerts and workbook: every query is run on log lines, and names only what the app really logs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest

from tests.unit.infra import kql
from tests.unit.infra.bicep import INFRA, ROOT, literal, members, read

PLACES = {"percent": 5, "seconds": 900}
"""What the deployment fills into the queries, by the defaults of its parameters."""
A, B, C = (f"20260101-000000-{letter * 4}" for letter in "abc")
WAITING = "parked=0 oldest_s=0 held_s=0 reason=none lag_s=0"
LINES = [
    f"job.started sync=accounts job={A}",
    f"job.failed sync=accounts job={A} changes=3 records=100 rejected=0 seconds=30 throttled_s=29",
    f"schedule.failed sync=unqueued job={B}",
    "app.watched syncs=12 broken=1",
    "definition.broken sync=typo",
    "definition.broken sync=typo",
    f"job.braked sync=contacts job={B}",
    f"job.planned sync=orders job={C}",
    f"job.succeeded sync=quick job={C} changes=0 records=1000 rejected=0 seconds=100 throttled_s=49",
    f"job.succeeded sync=slow job={C} changes=9 records=1000 rejected=0 seconds=100 throttled_s=50",
    f"job.completed sync=dirty job={B} changes=9 records=1000 rejected=50 seconds=5 throttled_s=0",
    f"job.completed sync=clean job={B} changes=9 records=1000 rejected=49 seconds=5 throttled_s=0",
    f'job.stranded sync=lost job={A} reason="its last slice died" age_s=700',
    f'job.stranded sync=lost job={A} reason="its last slice died" age_s=1000',
    f'job.stranded sync=nudged job={B} reason="its last slice died" age_s=1000',
    "listener.watched sync=fine parked=3 oldest_s=900 held_s=0 reason=none lag_s=2 events=10",
    "listener.watched sync=waiting parked=3 oldest_s=901 held_s=0 reason=none lag_s=2 events=10",
    "listener.watched sync=waiting parked=3 oldest_s=1201 held_s=0 reason=none lag_s=2 events=10",
    "listener.watched sync=held parked=0 oldest_s=0 held_s=1000 reason=outage lag_s=2 events=10",
    "listener.watched sync=late parked=0 oldest_s=0 held_s=0 reason=none lag_s=901 events=10",
    *(f"listener.watched sync=bad {WAITING} events={100 + n * 4} rejected={10 + n // 5}" for n in range(6)),
    *(f"listener.watched sync=old {WAITING} events={100 + n * 5} rejected={10 + n // 5}" for n in range(6)),
    *(f"listener.watched sync=calm {WAITING} events=100 rejected=100" for _ in range(6)),
    *(f"listener.watched sync=new {WAITING} events=20 rejected=1" for _ in range(3)),
    f"listener.watched sync=fresh {WAITING} events=21 rejected=1",
    "service.throttled service=https://org pause_s=5",
    "service.throttled service=https://org pause_s=7",
    "service.unanswered service=https://org",
    "somebody said job.failed sync=never",
    "job.failed_twice sync=never",
]


def queries() -> dict[str, str]:
    """Every query of the deployment: the alerts' files, and the workbook's."""
    found = {path.stem: path.read_text("utf-8") for path in sorted((INFRA / "queries").glob("*.kql"))}
    workbook = json.loads((INFRA / "workbook.json").read_text("utf-8"))
    asked = [item for item in workbook["items"] if item["type"] == 3]
    return found | {f"workbook {item['name']}": item["content"]["query"] for item in asked}


def events_logged() -> dict[str, set[str]]:
    """Fields by event, of every `event(…)` call in the product; a name in parts counts for each value of its table."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "shared").rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"event", "log.event"} and len(node.args) > 1:
                fields = {str(keyword.arg) for keyword in node.keywords}
                for name in _names(node.args[1], tree):
                    found.setdefault(name, set()).update(fields)
    return found


def _names(node: ast.expr, tree: ast.Module) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from _names(node.body, tree)
        yield from _names(node.orelse, tree)
    elif isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):  # f"job.{_ENDINGS[state]}": each value of that table
        start = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        tables = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
        for one in tree.body:
            if (
                isinstance(one, ast.Assign)
                and isinstance(one.value, ast.Dict)
                and ast.unparse(one.targets[0]) in tables
            ):
                yield from (start + str(value.value) for value in one.value.values if isinstance(value, ast.Constant))


@pytest.mark.parametrize("name", queries())
def test_a_query_names_only_what_is_logged(name: str) -> None:
    """Each event that a query looks for is logged by the product, with each field that the query takes from it."""
    logged = events_logged()
    text = queries()[name]
    events = re.findall(r'startswith "([^ "]+) "', text)
    fields = set(re.findall(r"\\b(\w+)=", text))
    assert events
    for event in events:
        assert event in logged, f"nothing logs {event}"
        assert fields <= logged[event], f"{event} has no {fields - logged[event]}"


@pytest.mark.parametrize("name", queries())
def test_a_query_runs(name: str) -> None:
    """Each is made of forms that are run here, and finds nothing where nothing was logged; but for silence itself."""
    silence = [{"sync": "every sync", "looks": 0}] if name == "app-silent" else []
    assert kql.run(queries()[name], [], **PLACES) == silence


def test_other_forms_are_refused() -> None:
    """A query that says more than is run here fails the tests, rather than pass unread."""
    with pytest.raises(kql.NotInTheSubsetError):
        kql.run("AppTraces\n| join kind=inner (x) on y", [])


def found(name: str) -> list[dict[str, object]]:
    rows = kql.run(queries()[name], LINES, **PLACES)
    return [{key: value for key, value in row.items() if key != "TimeGenerated"} for row in rows]


def syncs(name: str) -> list[object]:
    return [row["sync"] for row in found(name)]


def test_jobs_that_failed_or_wait() -> None:
    """By sync and job; a sentence that speaks of one, or an event of another name, is none."""
    assert found("job-failed") == [{"sync": "accounts", "job": A}, {"sync": "unqueued", "job": B}]
    assert found("job-waits") == [{"sync": "contacts", "job": B}, {"sync": "orders", "job": C}]
    assert found("job-stranded") == [{"sync": "lost", "job": A, "looks": 2}]


def test_silence() -> None:
    """One look in the window is enough; other lines are none."""
    assert found("app-silent") == []
    others = [line for line in LINES if not line.startswith("app.watched ")]
    (row,) = kql.run(queries()["app-silent"], others, **PLACES)
    assert row["looks"] == 0


def test_the_workbook_counts() -> None:
    """Each of its tables, over the same lines."""
    jobs = {(row["sync"], row["event"]): row["jobs"] for row in found("workbook jobs")}
    assert jobs["accounts", "job.failed"] == jobs["unqueued", "schedule.failed"] == jobs["slow", "job.succeeded"] == 1
    assert [row["sync"] for row in found("workbook waiting")] == ["contacts", "orders"]
    rejects = {row["sync"]: (row["records"], row["rejected"]) for row in found("workbook rejects")}
    assert rejects["dirty"] == (1000.0, 50.0)
    assert found("workbook throttled") == [{"service": "https://org", "seconds": 12.0}]
    assert found("workbook unanswered") == [{"service": "https://org", "requests": 1}]
    listeners = {row["sync"]: row for row in found("workbook listeners")}
    assert (listeners["waiting"]["parked"], listeners["waiting"]["oldest"]) == (3.0, 1201.0)
    assert (listeners["held"]["held"], listeners["late"]["lag"]) == (1000.0, 901.0)


def test_the_workbook_asks_the_workspace_for_the_time_that_was_chosen() -> None:
    """Every table of it."""
    items = json.loads((INFRA / "workbook.json").read_text("utf-8"))["items"]
    (chosen,) = [one["name"] for item in items if item["type"] == 9 for one in item["content"]["parameters"]]
    asked = [item["content"] for item in items if item["type"] == 3]
    assert len(asked) == 6
    for one in asked:
        assert one["timeContextFromParameter"] == chosen
        assert (one["queryType"], one["resourceType"]) == (0, "microsoft.operationalinsights/workspaces")


def test_rejects_at_their_share_and_above() -> None:
    """Five of a hundred records is too many, one less is not."""
    assert found("rejects") == [{"sync": "dirty", "job": B, "rejected": 50.0, "records": 1000.0}]


def test_rejected_change_messages_at_their_share_and_above() -> None:
    """Of those since the first look of the window, not of all that there ever were; of a new listener, of all. What was
    rejected before the window is told no more."""
    assert sorted(found("events-rejected"), key=lambda row: str(row["sync"])) == [
        {"sync": "bad", "fresh": 1.0, "seen": 20.0},
        {"sync": "new", "fresh": 1.0, "seen": 20.0},
    ]


def test_broken_definitions() -> None:
    """Each by itself, once in a window."""
    assert found("definition-broken") == [{"sync": "typo", "looks": 2}]


def test_half_of_the_time_spent_waiting() -> None:
    """Short jobs do not count."""
    assert syncs("throttled") == ["slow"]


def test_change_messages_that_wait() -> None:
    """Parked for long, held for long, applied late: each by itself, with the longest."""
    assert found("parked") == [{"sync": "waiting", "longest": 1201.0}]
    assert found("listener-stalled") == [{"sync": "held", "longest": 1000.0}]
    assert found("lag") == [{"sync": "late", "longest": 901.0}]


def test_the_places_are_filled_from_parameters() -> None:
    """Each place of a query is replaced by the rule that loads it, with the value that the tests use."""
    main = read(INFRA / "main.bicep").of("param")
    defaults = {name: literal(main[name].value) for name in ("rejectSharePercent", "lagMinutes")}  # type: ignore[arg-type]
    assert {"percent": defaults["rejectSharePercent"], "seconds": int(str(defaults["lagMinutes"])) * 60} == PLACES
    text = (INFRA / "modules/alerts.bicep").read_text("utf-8")
    for path in (INFRA / "queries").glob("*.kql"):
        for place in set(re.findall(r"\{(\w+)\}", path.read_text("utf-8"))):
            assert f"loadTextContent('../queries/{path.name}'), '{{{place}}}'" in text, path.name


def rules() -> list[dict[str, object]]:
    table = read(INFRA / "modules/alerts.bicep").of("var")["rules"].value
    assert table is not None
    return [
        {name: literal(value) for name, (_, value) in members(item).items()} | {"text": item.text.decode()}
        for item in table.named_children
        if item.type == "object" and item.text
    ]


def test_every_query_has_its_rule() -> None:
    """Each file is one alert rule, named alike; its severity and its window are known to Azure."""
    assert {rule["name"] for rule in rules()} == {path.stem for path in (INFRA / "queries").glob("*.kql")}
    for rule in rules():
        assert f"queries/{rule['name']}.kql" in str(rule["text"])
        assert rule["severity"] in (0, 1, 2, 3, 4)
        assert rule["minutes"] in (1, 5, 10, 15, 30, 60)
        assert rule["window"] in (1, 5, 10, 15, 30, 60)
        assert int(str(rule["window"])) >= int(str(rule["minutes"])), "what falls between two windows is never seen"


def test_every_query_tells_its_sync() -> None:
    """Alerts are raised for each sync by itself, so every query has that column."""
    for path in (INFRA / "queries").glob("*.kql"):
        assert re.search(r"^\| (project|summarize) .*\bsync\b", path.read_text("utf-8"), flags=re.MULTILINE), path.name
