"""Calls of actions, functions and workflows: finds what a URL names, reads its parameters, does what is declared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from local.dataverse import addresses, refusals
from local.dataverse.documents import DocumentError
from local.dataverse.logic import sound
from local.dataverse.logic.operations import Deed, Operation
from local.dataverse.logic.workflows import COMPLETED, FAILED, JOB, SUCCEEDED, WORKFLOW, Workflow
from local.dataverse.messages import Reply, Request, body_object, json_reply
from local.dataverse.odata import options as query_options
from local.dataverse.partitions import row_column
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.tables import Table
from local.dataverse.world import World
from shared.sql import identifier

if TYPE_CHECKING:
    from local.dataverse.entities import Entities

_NAMESPACE = "Microsoft.Dynamics.CRM."
_CALL = re.compile(r"([A-Za-z_]\w*)(?:\((.*)\))?", re.DOTALL)
_ARGUMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*('(?:[^']|'')*'|@\w+|[^,'\s]+)\s*(?:,|$)")
_WORKFLOW = re.compile(r"workflows\(([0-9a-fA-F-]{36})\)")


@dataclass(frozen=True, slots=True)
class Job:
    """A system job that waits: it runs a workflow over one row."""

    job_id: str
    workflow: Workflow
    row_id: str


class Calls:
    """The declared operations and workflows of one environment."""

    def __init__(self, world: World, entities: Entities) -> None:
        self._world = world
        self._entities = entities
        self._operations: dict[tuple[str, str, bool], Operation] = {}
        self._workflows: dict[str, Workflow] = {}
        self._jobs: list[Job] = []

    def declare(self, operation: Operation) -> None:
        """Adds an operation, in place of one of the same name and binding.

        Raises:
            DocumentError: it names a table or a column that is not there, or hides what the service has.
        """
        sound.check_operation(self._world.tables, operation)
        self._operations[operation.name, operation.bound_to, operation.collection] = operation

    def declare_workflow(self, workflow: Workflow) -> None:
        """Adds a workflow, in place of one of the same id.

        Raises:
            DocumentError: it names a table that is not there.
        """
        self._table(workflow.table, workflow.name)
        sound.check_columns(self._world.tables.by_name[workflow.table], workflow.does.set, workflow.name)
        self._table(JOB, workflow.name)
        self._workflows[workflow.id] = workflow

    def take_jobs(self) -> list[Job]:
        """The system jobs that were made since last asked."""
        taken, self._jobs = self._jobs, []
        return taken

    def answer(self, segments: Sequence[str], request: Request) -> Reply | None:
        """The reply of a declared operation; None when the URL names none.

        Raises:
            Refusal: it cannot be called so.
        """
        last = segments[-1].removeprefix(_NAMESPACE)
        workflow = _WORKFLOW.fullmatch(segments[0])
        if workflow is not None and last == "ExecuteWorkflow":
            return self._execute(workflow[1].lower(), request)
        if not self._operations or len(segments) > 2:
            return None
        named = _CALL.fullmatch(last)
        operation, row_id = self._found(segments, named[1]) if named else (None, None)
        if operation is None or named is None:
            return None
        if not operation.active:
            raise refusals.no_segment(segments[-1])
        if len(segments) == 2 and not segments[1].startswith(_NAMESPACE):
            raise Refusal(404, "0x80060888", "Request message has unresolved parameters.")
        if request.method != ("POST" if operation.kind == "action" else "GET"):
            raise refusals.no_resource()
        return self._called(operation, _given(operation, named[2], request), row_id, request)

    def run(self, job: Job) -> None:
        """Does a system job and notes how it ended."""
        result: dict[str, object] = {"statecode": COMPLETED, "statuscode": SUCCEEDED}
        try:
            with self._world.store.transaction():
                self._do(job.workflow.does, {}, self._world.tables.by_name[job.workflow.table], job.row_id)
        except (Refusal, RowRefusal) as problem:
            refusal = problem.refusal if isinstance(problem, RowRefusal) else problem
            result = {"statecode": COMPLETED, "statuscode": FAILED, "message": refusal.message}
        with self._world.store.transaction():
            self._entities.writer(self._world.tables.by_name[JOB]).update([job.job_id], [result])

    def _found(self, segments: Sequence[str], name: str) -> tuple[Operation | None, str | None]:
        """The operation that a URL names, and the id of the row that it is asked of."""
        if len(segments) == 1:
            return self._operations.get((name, "", False)), None
        table = self._world.tables.by_set.get(segments[0])
        if table is not None:
            return self._operations.get((name, table.name, True)), None
        if not any(known == name for known, _, _ in self._operations):
            return None, None
        address = addresses.parse(self._world.tables, segments[0])
        operation = self._operations.get((name, address.table.name, False))
        row_id = addresses.find(self._world.store, address) if operation else None
        if operation is not None and row_id is None:
            raise addresses.missing(address)
        return operation, row_id

    def _called(self, operation: Operation, given: dict[str, object], row_id: str | None, request: Request) -> Reply:
        operation.check(given)
        table = self._world.tables.by_name.get(operation.bound_to)
        with self._world.store.transaction():
            answer, rows = self._do(operation.does, given, table, row_id)
        self._world.steps.slow(operation.does.delay_s)
        if not answer:
            return Reply(204, message=operation.name, rows=rows)
        context = f"{request.root}$metadata#{_NAMESPACE}{operation.name}Response"
        return json_reply({"@odata.context": context, **answer}, message=operation.name, rows=rows)

    def _do(
        self, deed: Deed, given: Mapping[str, object], table: Table | None, row_id: str | None
    ) -> tuple[dict[str, object], int]:
        """What a deed answers, and how many rows it set."""
        ids: list[str] = []
        if deed.set:
            target = self._world.tables.by_name[deed.table] if deed.table else table
            if target is not None:
                ids = [row_id] if row_id and not deed.table else self._all(target)
                values = {name: _value(value, given) for name, value in deed.set.items()}
                self._entities.writer(target).update(ids, [values] * len(ids))
        if deed.fail is not None:
            raise Refusal(deed.fail.status, deed.fail.code, deed.fail.message)
        answer = {member: given.get(name) for member, name in deed.echo.items()}
        answer |= {member: _value(value, given) for member, value in deed.answer.items()}
        return (answer | {deed.count: len(ids)} if deed.count else answer), len(ids)

    def _all(self, table: Table) -> list[str]:
        statement = f"SELECT {identifier(row_column(table))} FROM {identifier(table.name)} ORDER BY rowid"
        return [str(row[0]) for row in self._world.store.all(statement)]

    def _execute(self, workflow_id: str, request: Request) -> Reply:
        workflow = self._workflows.get(workflow_id)
        if workflow is None:
            raise refusals.no_row("workflow", workflow_id)
        if request.method != "POST":
            raise refusals.no_resource()
        if not (workflow.active and workflow.on_demand):
            raise Refusal(400, "0x80045001", f"The workflow '{workflow.name}' is not active, or not on demand.")
        row_id = str(body_object(request).get("EntityId", "")).lower()
        table = self._world.tables.by_name[workflow.table]
        if not addresses.exists(self._world.store, table, row_id):
            raise refusals.no_row(table.name, row_id[:50])
        body = {"name": workflow.name, "operationtype": WORKFLOW, "primaryentitytype": table.name}
        with self._world.store.transaction():
            job_id = self._entities.writer(self._world.tables.by_name[JOB]).create([body])[0]
        self._jobs.append(Job(job_id, workflow, row_id))
        context = f"{request.root}$metadata#asyncoperations/$entity"
        return json_reply({"@odata.context": context, "asyncoperationid": job_id}, message="ExecuteWorkflow", rows=1)

    def _table(self, name: str, where: str) -> None:
        if name not in self._world.tables.by_name:
            raise DocumentError(f"{where}: no table {name!r}; there are {', '.join(self._world.tables.by_name)}")


def _given(operation: Operation, inline: str | None, request: Request) -> dict[str, object]:
    """The parameters of a call: members of an action's body, arguments of a function's URL."""
    if operation.kind == "action":
        if inline is not None:
            raise refusals.no_resource()
        return body_object(request) if request.body.strip() else {}
    aliases = query_options.pairs(request.query)
    given: dict[str, object] = {}
    at, text = 0, (inline or "").strip()
    while at < len(text):
        found = _ARGUMENT.match(text, at)
        if found is None or found[1] in given:
            raise Refusal(400, "0x80060888", f"The arguments of {operation.name} cannot be read.")
        raw = aliases.get(found[2], "null") if found[2].startswith("@") else found[2]
        given[found[1]] = _literal(operation, raw.strip())
        at = found.end()
    return {name: value for name, value in given.items() if value is not None}


def _literal(operation: Operation, text: str) -> Any:
    """A literal of a URL: quoted text, a GUID, or what JSON has (single quotes allowed)."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        return text.lower()
    try:
        return orjson.loads(text.replace("'", '"'))
    except orjson.JSONDecodeError:
        raise Refusal(400, "0x80060888", f"An argument of {operation.name} cannot be read.") from None


def _value(value: object, given: Mapping[str, object]) -> object:
    return given.get(value[1:]) if isinstance(value, str) and value.startswith("$") else value
