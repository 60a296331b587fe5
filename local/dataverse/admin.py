"""`/_local/`: log, faults, limits and rows for those who test from another process. Not part of the real service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from local.dataverse import seeding
from local.dataverse.documents import DocumentError
from local.dataverse.faults.queue import Waiting
from local.dataverse.limits import Gate, Limits
from local.dataverse.logic import Operation, Workflow
from local.dataverse.messages import Reply, Request, error_reply, json_reply
from local.dataverse.refusals import Refusal
from local.dataverse.seeding import SeedError
from local.dataverse.webhooks import Webhook

if TYPE_CHECKING:
    from local.dataverse.application import Application

Door = Callable[["Application", str, bytes], Reply]
"""What answers one door: with the environment, the rest of the path, and the body."""


def answer(application: Application, request: Request) -> Reply:
    """One of DOORS: `GET /_local/requests`, `POST /_local/faults`, `GET /_local/rows/account` …"""
    name, _, rest = request.path.partition("/_local/")[2].partition("/")
    door = DOORS.get((request.method, name))
    if door is None:
        there = ", ".join(f"{method} {known}" for method, known in DOORS)
        return error_reply(Refusal(404, "local", f"there is no {request.method} {name[:50]}; there are {there}"))
    try:
        return door(application, rest, request.body)
    except (SeedError, DocumentError) as problem:
        return error_reply(Refusal(400, "local", str(problem)))
    except orjson.JSONDecodeError:
        return error_reply(Refusal(400, "local", "the body is no JSON"))


def _requests(application: Application, _: str, __: bytes) -> Reply:
    return json_reply({"value": [asdict(entry) for entry in application.log]})


def _clear_requests(application: Application, _: str, __: bytes) -> Reply:
    application.log.clear()
    return Reply(204)


def _faults(application: Application, _: str, __: bytes) -> Reply:
    return json_reply({"value": [_shown(waiting) for waiting in application.faults.waiting]})


def _shown(waiting: Waiting) -> dict[str, object]:
    counts = {"number": waiting.number, "left": waiting.left, "matched": waiting.matched, "hits": waiting.hits}
    return {**counts, "fault": asdict(waiting.fault)}


def _add_fault(application: Application, _: str, body: bytes) -> Reply:
    return json_reply({"number": application.inject(_object(orjson.loads(body)))}, 201)


def _object(document: Any) -> dict[str, object]:
    if not isinstance(document, dict):
        raise DocumentError('fault: found no JSON object; allowed: one, such as {"kind": "deadlock"}')
    return document


def _switch_faults_off(application: Application, number: str, _: bytes) -> Reply:
    if not number:
        application.faults.clear()
    elif not (number.isascii() and number.isdigit() and application.faults.remove(int(number[:9]))):
        raise DocumentError(f"no fault {number[:20]!r} is on")
    return Reply(204)


def _limits(application: Application, _: str, __: bytes) -> Reply:
    gate = application.gate
    document = {
        "limits": asdict(gate.limits) if gate.on else None,
        "gauges": [asdict(gauge) for gauge in gate.gauges()],
        "entitlement": application.entitlement.used,
    }
    return json_reply(document)


def _set_limits(application: Application, _: str, body: bytes) -> Reply:
    application.gate = Gate(Limits.of(orjson.loads(body)))
    return Reply(204)


def _lift_limits(application: Application, _: str, __: bytes) -> Reply:
    application.gate = Gate()
    return Reply(204)


def _rows(application: Application, table: str, _: bytes) -> Reply:
    return json_reply({"value": seeding.rows(application.service, table)})


def _seed(application: Application, table: str, body: bytes) -> Reply:
    rows: Any = orjson.loads(body)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SeedError("the body is a JSON array of rows")
    return json_reply({"ids": seeding.insert(application.service, table, rows)})


def _webhooks(application: Application, _: str, __: bytes) -> Reply:
    hooks = application.webhooks
    shown = [{"url": h.url, "table": h.table, "message": h.message, "mode": h.mode} for h in hooks.registered]
    found = [
        {"url": d.webhook.url, "row_id": d.row_id, "status": d.status, "attempts": d.attempts, "cut": d.cut}
        for d in hooks.deliveries
    ]
    return json_reply({"value": shown, "deliveries": found})


def _add_webhook(application: Application, _: str, body: bytes) -> Reply:
    application.webhooks.register(Webhook.of(orjson.loads(body)))
    return Reply(204)


def _add_action(application: Application, _: str, body: bytes) -> Reply:
    application.service.calls.declare(Operation.of(orjson.loads(body)))
    return Reply(204)


def _add_workflow(application: Application, _: str, body: bytes) -> Reply:
    application.service.calls.declare_workflow(Workflow.of(orjson.loads(body)))
    return Reply(204)


DOORS: Mapping[tuple[str, str], Door] = {
    ("GET", "requests"): _requests,
    ("DELETE", "requests"): _clear_requests,
    ("GET", "faults"): _faults,
    ("POST", "faults"): _add_fault,
    ("DELETE", "faults"): _switch_faults_off,
    ("GET", "limits"): _limits,
    ("PUT", "limits"): _set_limits,
    ("DELETE", "limits"): _lift_limits,
    ("GET", "webhooks"): _webhooks,
    ("POST", "webhooks"): _add_webhook,
    ("POST", "actions"): _add_action,
    ("POST", "workflows"): _add_workflow,
    ("GET", "rows"): _rows,
    ("POST", "seed"): _seed,
}
"""By method and name; behind a name stand a table or a number."""
