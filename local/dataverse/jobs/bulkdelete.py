"""`BulkDelete`: a system job that a client can poll in `asyncoperations`, and that deletes what its queries select.

The job is advanced when the service is next asked: a request finds it in progress, the one after that completed; once a
job is a second old, the first request finds it completed.

Source: Microsoft Learn, "BulkDelete action", "AsyncOperation table reference" and "Delete data in bulk".
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson

from local.dataverse import refusals
from local.dataverse.entities import Entities
from local.dataverse.jobs import expressions
from local.dataverse.messages import Reply, Request, body_object, json_reply
from local.dataverse.partitions import row_key
from local.dataverse.properties import single
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Table
from local.dataverse.world import World
from local.dataverse.writes.deletes import delete_row, delete_rows
from local.dataverse.writes.rows import Writer

_JOBS = "asyncoperation"
_KIND = 13
_READY, _LOCKED, _COMPLETED, _FAILED = (0, 0), (2, 20), (3, 30), (3, 31)
_AT_ONCE = timedelta(seconds=1)
_ROOT = "http://local/"


class BulkDeletes:
    """Takes orders for bulk deletes, and carries them out."""

    def __init__(self, world: World, entities: Entities) -> None:
        self._world = world
        self._entities = entities
        self._waiting = bool(self._unfinished())

    def order(self, request: Request) -> Reply:
        """Answers the action: the id of the job.

        Raises:
            Refusal: a parameter is missing or cannot be used.
        """
        if request.method != "POST":
            raise refusals.no_resource()
        body = body_object(request)
        queries = body.get("QuerySet")
        if not isinstance(queries, list) or not queries:
            raise Refusal(400, "0x80040203", "Required parameter 'QuerySet' is missing or empty.")
        if body.get("RecurrencePattern"):
            raise refusals.not_built("A bulk delete that recurs")
        selections = [(expressions.table_of(self._world.tables, query), query) for query in queries]
        work = [(table.name, expressions.filter_of(table, query)) for table, query in selections]
        for table, (_, condition) in zip((table for table, _ in selections), work, strict=True):
            self._page(table, condition, "&$top=1")
        job_id = self._create(body, work)
        self._waiting = True
        context = f"{request.root}$metadata#Microsoft.Dynamics.CRM.BulkDeleteResponse"
        return json_reply({"@odata.context": context, "JobId": job_id}, message="BulkDelete", rows=1)

    def advance(self) -> None:
        """Brings every unfinished job one step further."""
        if not self._waiting:
            return
        caller = self._world.caller_id
        self._world.steps.begin((caller, caller), None, {})
        now = self._world.clock().astimezone(UTC)
        for job_id, state, work, created, postponed in self._unfinished():
            if postponed is not None and datetime.fromisoformat(str(postponed)) > now:
                continue
            if state == _READY[0]:
                self._set(str(job_id), _LOCKED, {"startedon": self._world.now()})
                if now - datetime.fromisoformat(str(created)) < _AT_ONCE:
                    continue
            self._carry_out(str(job_id), str(work))
        self._waiting = bool(self._unfinished())

    def _create(self, body: dict[str, object], work: list[tuple[str, str]]) -> str:
        row = {
            "name": str(body.get("JobName") or "Bulk Delete")[:256],
            "operationtype": _KIND,
            "primaryentitytype": work[0][0],
            "data": orjson.dumps(work).decode(),
        }
        start = body.get("StartDateTime")
        if start is not None:
            row["postponeuntil"] = start
        with self._world.store.transaction():
            return single(lambda: self._writer().create([row])[0])

    def _writer(self) -> Writer:
        return self._entities.writer(self._world.tables.by_name[_JOBS])

    def _unfinished(self) -> list[tuple[object, ...]]:
        statement = (
            f"SELECT asyncoperationid, statecode, data, createdon, postponeuntil FROM {_JOBS} "
            "WHERE operationtype = ? AND statecode IN (0, 2) ORDER BY rowid"
        )
        return self._world.store.all(statement, (_KIND,))

    def _set(self, job_id: str, status: tuple[int, int], columns: dict[str, object]) -> None:
        row = {"statecode": status[0], "statuscode": status[1], **columns}
        with self._world.store.transaction():
            self._writer().update([job_id], [row])

    def _carry_out(self, job_id: str, work: str) -> None:
        deleted, refused = 0, 0
        try:
            for name, condition in orjson.loads(work):
                table = self._world.tables.by_name[name]
                done, failed = self._delete(table, self._selected(table, condition))
                deleted, refused = deleted + done, refused + failed
        except (Refusal, KeyError) as gone:  # a table or column that was there when the job was ordered
            self._set(job_id, _FAILED, {"completedon": self._world.now(), "message": f"The query fails now: {gone}"})
            return
        text = f"{deleted} rows deleted, {refused} rows could not be deleted."
        self._set(job_id, _COMPLETED, {"completedon": self._world.now(), "friendlymessage": text})

    def _delete(self, table: Table, ids: list[str]) -> tuple[int, int]:
        """Deletes rows together or, where one of them is refused, each by itself; rows deleted and rows refused."""
        try:
            with self._world.store.transaction():
                delete_rows(self._world, table, ids)
        except Refusal:
            failed = [row_id for row_id in ids if not self._deleted(table, row_id)]
            return len(ids) - len(failed), len(failed)
        return len(ids), 0

    def _deleted(self, table: Table, row_id: str) -> bool:
        try:
            with self._world.store.transaction():
                delete_row(self._world, table, row_id)
        except Refusal:
            return False
        return True

    def _selected(self, table: Table, condition: str) -> list[str]:
        """The keys of the rows that a condition selects."""
        found: list[str] = []
        more = ""
        while True:
            page = self._page(table, condition, more)
            found += [row_key(row[table.id_column], row.get("partitionid")) for row in page["value"]]
            link = page.get("@odata.nextLink")
            if link is None:
                return found
            more = "&$skiptoken=" + link.partition("$skiptoken=")[2]

    def _page(self, table: Table, condition: str, more: str) -> dict[str, Any]:
        query = (
            f"$select={table.id_column}{',partitionid' if table.elastic else ''}"
            + (f"&$filter={quote(condition)}" if condition else "")
            + more
        )
        reply = self._entities.answer(table, [], Request("GET", table.entity_set, query, {}, b"", _ROOT))
        page: dict[str, Any] = orjson.loads(reply.body)
        return page
