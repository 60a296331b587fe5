"""Alerts and workbook: every query is run on log lines, and names only what the app really logs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator

import pytest

from tests.unit.infra import kql
from tests.unit.infra.bicep import INFRA, ROOT, literal, members, read

PLACES: dict[str, int] = {}
"""What the deployment fills into the queries, by the defaults of its parameters."""
STARTED = "job.started sync=accounts job=20260101-000000-aaaa"
FAILED = 'job.failed sync=accounts job=20260101-000000-aaaa changes=3 reason="no answer"'
BRAKED = "job.braked sync=contacts job=20260101-000000-bbbb"
DONE = "job.succeeded sync=accounts job=20260101-000000-cccc changes=0"
LINES = [STARTED, FAILED, BRAKED, DONE, "somebody said job.failed sync=never", "job.failed_twice sync=never"]


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
    """Each is made of forms that are run here, and finds nothing where nothing was logged."""
    assert kql.run(queries()[name], [], **PLACES) == []


def test_other_forms_are_refused() -> None:
    """A query that says more than is run here fails the tests, rather than pass unread."""
    with pytest.raises(kql.NotInTheSubsetError):
        kql.run("AppTraces\n| join kind=inner (x) on y", [])


def found(name: str) -> list[dict[str, object]]:
    rows = kql.run(queries()[name], LINES, **PLACES)
    return [{key: value for key, value in row.items() if key != "TimeGenerated"} for row in rows]


def test_job_failed() -> None:
    """A failed job, by its sync; not a sentence that speaks of one."""
    assert found("job-failed") == [{"sync": "accounts", "job": "20260101-000000-aaaa"}]


def test_job_waits() -> None:
    """A plan that waits."""
    assert found("job-waits") == [{"sync": "contacts", "job": "20260101-000000-bbbb"}]


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


def test_every_query_tells_its_sync() -> None:
    """Alerts are raised for each sync by itself, so every query has that column."""
    for path in (INFRA / "queries").glob("*.kql"):
        assert re.search(r"^\| (project|summarize) .*\bsync\b", path.read_text("utf-8"), flags=re.MULTILINE), path.name
