"""`/_local/`: the log, faults and rows for those who test from another process. Not part of the real service."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from local.dataverse import seeding
from local.dataverse.documents import DocumentError
from local.dataverse.faults import Fault
from local.dataverse.faults.queue import Waiting
from local.dataverse.limits import Gate, Limits
from local.dataverse.messages import Reply, Request, error_reply, json_reply
from local.dataverse.refusals import Refusal
from local.dataverse.seeding import SeedError

if TYPE_CHECKING:
    from local.dataverse.application import Application

_THERE_ARE = "there are requests, faults, limits, rows/<table> and seed/<table>"


def answer(application: Application, request: Request) -> Reply:
    """`requests` (GET, DELETE), `faults` (GET, POST, DELETE, also `faults/<number>`), `limits` (GET, PUT, DELETE), `rows/<table>` (GET),
    `seed/<table>` (POST)."""
    _, _, tail = request.path.partition("/_local/")
    name, _, table = tail.partition("/")
    try:
        return _routed(application, request, name, table)
    except (SeedError, DocumentError) as problem:
        return error_reply(Refusal(400, "local", str(problem)))
    except orjson.JSONDecodeError:
        return error_reply(Refusal(400, "local", "the body is no JSON"))


def _routed(application: Application, request: Request, name: str, table: str) -> Reply:
    match (request.method, name):
        case ("GET", "requests"):
            return json_reply({"value": [asdict(entry) for entry in application.log]})
        case ("DELETE", "requests"):
            application.log.clear()
        case ("POST", "faults"):
            number = application.faults.add(Fault.of(orjson.loads(request.body)))
            return json_reply({"number": number}, 201)
        case ("GET", "faults"):
            return json_reply({"value": [_shown(waiting) for waiting in application.faults.waiting]})
        case ("DELETE", "faults"):
            _switch_off(application, table)
        case ("GET", "limits"):
            return json_reply(_limits(application))
        case ("PUT", "limits"):
            application.gate = Gate(Limits.of(orjson.loads(request.body)))
        case ("DELETE", "limits"):
            application.gate = Gate()
        case ("GET", "rows"):
            return json_reply({"value": seeding.rows(application.service, table)})
        case ("POST", "seed"):
            return json_reply({"ids": _seed(application, table, orjson.loads(request.body))})
        case _:
            return error_reply(
                Refusal(404, "local", "there are requests, faults, limits, rows/<table> and seed/<table>")
            )
    return Reply(204)


def _limits(application: Application) -> dict[str, object]:
    gate = application.gate
    return {
        "limits": asdict(gate.limits) if gate.on else None,
        "gauges": [asdict(gauge) for gauge in gate.gauges()],
        "entitlement": application.entitlement.used,
    }


def _shown(waiting: Waiting) -> dict[str, object]:
    return {
        "number": waiting.number,
        "left": waiting.left,
        "matched": waiting.matched,
        "hits": waiting.hits,
        "fault": asdict(waiting.fault),
    }


def _switch_off(application: Application, number: str) -> None:
    if not number:
        application.faults.clear()
    elif not (number.isascii() and number.isdigit() and application.faults.remove(int(number[:9]))):
        raise DocumentError(f"no fault {number!r} is on")


def _seed(application: Application, table: str, document: object) -> list[str]:
    if not isinstance(document, list) or not all(isinstance(row, dict) for row in document):
        raise SeedError("the body is a JSON array of rows")
    return seeding.insert(application.service, table, document)
