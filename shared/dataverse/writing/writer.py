"""Writes rows and tells what became of each.

One bad record sinks a bulk call whole. How it is found follows from what was measured (`narrowing`, `pace`): calls of a
better size, halves again and again, or a `$batch` that goes on after a refused row. A refusal that names an id is a
hint: the rows that it fits go as a batch, the rest in bulk again.

A write without an answer is never repeated blindly: a create is looked up by its id (which we chose), an update or a
delete may be sent twice without harm, save an update that depends on the row's version.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.dataverse.error_dictionary import Reaction, reaction_to
from shared.dataverse.pauses import repeats_allowed
from shared.dataverse.payloads import bulk_body, faults_of, id_head, picked
from shared.dataverse.refusals import request_id_of
from shared.dataverse.reply import Reply
from shared.dataverse.required import refused
from shared.dataverse.throughput.batch_size import FIRST_ROWS, BatchSize
from shared.dataverse.timeouts import BULK_S
from shared.dataverse.transport import Transport
from shared.dataverse.writing.batch import MOST_OPERATIONS
from shared.dataverse.writing.batches import Batches
from shared.dataverse.writing.chunks import MOST_BYTES, chunks, halves
from shared.dataverse.writing.narrowing import Way
from shared.dataverse.writing.options import NO_OPTIONS, WriteOptions
from shared.dataverse.writing.pace import Pace
from shared.dataverse.writing.partial import ASKED, Told, told_of_rows
from shared.dataverse.writing.run import Run
from shared.dataverse.writing.verdicts import ids_not_kept, named_rows
from shared.errors import RetryError, UnavailableError
from shared.values.changes import Outcome, Write, WriteKind
from shared.values.tables import Table

ELASTIC_ROWS = 100
"""Source: Microsoft Learn, "Use bulk operation messages": 100 rows a call for elastic tables."""
_MOST_HINTS = 3
"""So often one call follows a refusal that names a row; where more are bad, halves and batches cost less."""
_UNPACKED = {"Accept-Encoding": "identity"}
"""The ids that a bulk call answers with are random: packing them saves little, and costs both sides."""
_MESSAGES = {WriteKind.CREATE: "CreateMultiple", WriteKind.UPDATE: "UpdateMultiple"}


class Writer:
    """Writes to one table. Thread-safe: what belongs to one call lives in its `Run`.

    `batch_size` caps the rows of one request, `first_rows` is the size that is begun with; `options` travel with every
    request.
    """

    def __init__(
        self,
        transport: Transport,
        table: Table,
        *,
        batch_size: int = MOST_OPERATIONS,
        first_rows: int = FIRST_ROWS,
        most_bytes: int = MOST_BYTES,
        options: WriteOptions = NO_OPTIONS,
    ) -> None:
        self._transport, self._table, self._options = transport, table, options
        most = max(1, min(batch_size, ELASTIC_ROWS if table.elastic else MOST_OPERATIONS))
        self._paces = {kind: Pace(*(BatchSize(most=most, first=first_rows) for _ in range(2))) for kind in WriteKind}
        self._most_bytes = most_bytes
        self._batches = Batches(transport, table, self._paces, self._send, options)

    def write(self, kind: WriteKind, writes: Sequence[Write]) -> list[Outcome]:
        """Send the writes; one outcome each, in order.

        Raises:
            DestinationError: the service refused what concerns the whole table or identity; what was not answered
                before may have been carried out.
            ThrottledError, UnavailableError: the service is not there, and nothing of this call was carried out. When
                some of it was, the rest comes back as not attempted or in doubt instead.
        """
        run = Run(kind, writes)
        for position, fault in faults_of(run.columns):
            run.unfit(position, fault)
        pace = self._paces[kind]

        def most(left: int) -> int:
            return pace.rows_of_next(left, bulk=self._goes_in_bulk(run))

        for chunk in chunks(run.columns, run.open(), most=most, most_bytes=self._most_bytes):
            try:
                self._send(run, chunk)
            except RetryError:
                if run.untouched:
                    raise
                break
        return run.outcomes()

    def _send(self, run: Run, positions: Sequence[int]) -> None:
        """Send rows of which nothing is known yet."""
        refused_before, run.hints = run.refused, 0
        if self._goes_in_bulk(run):
            self._send_as_measured(run, positions, sure=False)
        else:
            self._batches.send(run, positions)
        self._paces[run.kind].settled(len(positions), run.refused - refused_before)

    def _goes_in_bulk(self, run: Run) -> bool:
        if run.kind is WriteKind.CREATE:
            return self._table.bulk_create
        return run.kind is WriteKind.UPDATE and self._table.bulk_update and not run.has_etags

    def _send_as_measured(self, run: Run, positions: Sequence[int], *, sure: bool, likely: int = 0) -> None:
        """Send rows the way that costs least; `sure`: one of them is bad; so many are `likely` to be good."""
        pace = self._paces[run.kind]
        way = pace.way(len(positions), bad=run.refused, settled=run.settled + likely, sure=sure)
        if way is Way.BATCH:
            self._batches.send(run, positions)
        elif way is Way.BULK:
            self._bulk(run, positions)
        else:
            self._in_halves(run, positions)

    def _in_halves(self, run: Run, positions: Sequence[int]) -> None:
        """The first half is tried; when all of it lands, the bad row is in the second."""
        first, second = halves(positions)
        refused_before = run.refused
        self._send_as_measured(run, first, sure=False)
        self._send_as_measured(run, second, sure=run.refused == refused_before)

    # --- bulk calls -------------------------------------------------------------------------------------------------

    def _bulk(self, run: Run, positions: Sequence[int]) -> None:
        repeatable = run.kind is WriteKind.UPDATE
        try:
            reply = self._call(run, positions, repeatable=repeatable)
        except UnavailableError as error:
            self._batches.unanswered(run, positions, error, repeated=repeatable)
            return
        if reply.refused:
            if reply.in_doubt:
                run.in_doubt.update(positions)
            self._narrow(run, positions, reply)
        else:
            self._check_ids(run, positions, reply)
            self._paces[run.kind].bulk_took(len(positions), reply.seconds)
            run.done(positions)

    def _call(self, run: Run, positions: Sequence[int], *, repeatable: bool) -> Reply:
        """One bulk call. What the transport does not repeat by itself (creates) is repeated here after a deadlock.

        Such a refusal says for certain that the call was rolled back.
        """
        asked = ASKED if self._table.elastic else {}
        headers = {**_UNPACKED, **asked, **self._options.headers}
        path = self._options.tagged(f"{self._table.entity_set}/Microsoft.Dynamics.CRM.{_MESSAGES[run.kind]}")
        row_ids, bodies = picked(run.columns.row_ids, positions), picked(run.columns.bodies, positions)
        body = bulk_body(id_head(self._table, typed=True), row_ids, bodies)
        attempt = 0
        while True:
            attempt += 1
            reply = self._transport.exchange(
                "POST",
                path,
                body=body,
                headers=headers,
                repeatable=repeatable,
                rows=len(positions),
                timeout_s=BULK_S,
            )
            if not reply.refused or repeatable or self._table.elastic or attempt > repeats_allowed(reply):
                return reply
            self._transport.wait(self._transport.backoff_s(attempt))

    def _check_ids(self, run: Run, positions: Sequence[int], reply: Reply) -> None:
        """The rows were created under the ids that were sent, or nothing that is known of them is true.

        What is no JSON object was said by something else than the service, also to an update.
        """
        if not reply.body:
            return
        ids = reply.json().get("Ids")
        wanted = list(picked(run.columns.row_ids, positions))
        if isinstance(ids, list) and ids != wanted and [str(one).strip("{}").lower() for one in ids] != wanted:
            raise ids_not_kept(self._table, request_id_of(reply.headers))

    def _narrow(self, run: Run, positions: Sequence[int], reply: Reply) -> None:
        """A refused bulk call: find its bad records and land the rest."""
        pace, reaction = self._paces[run.kind], reaction_to(reply.refusal)
        if reaction is Reaction.FAIL:
            raise refused(reply)
        if self._table.elastic:
            self._settle_partial(run, positions, reply)
        elif reaction is Reaction.SHRINK and len(positions) > 1:
            pace.too_much(len(positions), bulk=True)
            for half in halves(positions):
                self._bulk(run, half)
        elif reaction is Reaction.FAIL_WHEN_ALL:
            self._batches.send(run, positions)
        else:
            pace.refusal_took(len(positions), reply.seconds)
            self._look_closer(run, positions, reply)

    def _settle_partial(self, run: Run, positions: Sequence[int], reply: Reply) -> None:
        """A call to an elastic table is not rolled back whole: what is told of each row counts.

        Each refused row goes once more, for its own reason; of which nothing is told, each may be there.
        """
        told = told_of_rows(reply.refusal.details, len(positions)) or Told((), ())
        run.done([positions[index] for index in told.written])
        certain = {*told.written, *told.refused}
        run.in_doubt.update(position for index, position in enumerate(positions) if index not in certain)
        left = [position for index, position in enumerate(positions) if index not in set(told.written)]
        if left:
            self._batches.send(run, left)

    def _look_closer(self, run: Run, positions: Sequence[int], reply: Reply) -> None:
        if len(positions) == 1:
            self._batches.settle_refused(run, {positions[0]: reply.refusal})
            return
        named = named_rows(run, positions, reply.refusal) if run.hints < _MOST_HINTS else []
        if not named:
            self._send_as_measured(run, positions, sure=True)
            return
        run.hints += 1
        self._batches.send(run, named)
        rest = sorted(set(positions) - set(named))
        self._send_as_measured(run, rest, sure=False, likely=len(rest))
