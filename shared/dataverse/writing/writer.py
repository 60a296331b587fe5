"""Writes rows and tells what became of each.

One bad record sinks a bulk call whole. It is found in two steps. First the call is cut in halves, again and again, as
long as few calls are refused: one bad record among a thousand costs about ten calls. When more than `REFUSED_CALLS` of
a call's descendants were refused, or a piece is small, the piece goes as a `$batch` that goes on after a refused row:
slower per row, but its cost does not grow with the number of bad records.

A write without an answer is never repeated blindly: a create is looked up by its id (which we chose), an update or a
delete may be sent twice without harm, save an update that depends on the row's version.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared.dataverse.error_dictionary import Reaction, reaction_to
from shared.dataverse.pauses import repeats_allowed, retry_after_s
from shared.dataverse.payloads import body_with_id, fault_of
from shared.dataverse.reading import Reader
from shared.dataverse.refusals import Refusal, request_id_of
from shared.dataverse.reply import Reply
from shared.dataverse.transport import Transport, refused
from shared.dataverse.writing.batch import (
    MOST_OPERATIONS,
    Part,
    batch_body,
    batch_headers,
    boundary_of,
    read_answers,
)
from shared.dataverse.writing.chunks import MOST_BYTES, chunks, halves
from shared.dataverse.writing.run import Run
from shared.dataverse.writing.verdicts import end_when_all, give_up, id_is_taken, is_repeatable, note_taken, settle
from shared.errors import DestinationError, RetryError, UnavailableError
from shared.values.changes import Outcome, Write, WriteKind
from shared.values.tables import Table

ELASTIC_ROWS = 100
"""Source: Microsoft Learn, "Use bulk operation messages": 100 rows a call for elastic tables."""

SMALL = 32
"""A refused bulk call of so few rows goes on as a batch."""

REFUSED_CALLS = 8
ROUNDS = 3
_MESSAGES = {WriteKind.CREATE: "CreateMultiple", WriteKind.UPDATE: "UpdateMultiple"}


class Writer:
    """Writes to one table. Thread-safe: what belongs to one call lives in its `Run`.

    `batch_size` is the most rows of one request.
    """

    def __init__(
        self, transport: Transport, table: Table, *, batch_size: int = 1000, most_bytes: int = MOST_BYTES
    ) -> None:
        self._transport, self._table = transport, table
        most = ELASTIC_ROWS if table.elastic else MOST_OPERATIONS
        self._batch_size = max(1, min(batch_size, most))
        self._most_bytes = most_bytes
        self._reader = Reader(transport)

    def write(self, kind: WriteKind, writes: Sequence[Write]) -> list[Outcome]:
        """Send the writes; one outcome each, in order.

        Raises:
            DestinationError: the service refused what concerns the whole table or identity; what was not answered
                before may have been carried out.
            ThrottledError, UnavailableError: the service is not there, and nothing of this call was carried out. When
                some of it was, the rest comes back as not attempted or in doubt instead.
        """
        run = Run(kind, writes)
        for position, write in enumerate(writes):
            fault = fault_of(write)
            if fault:
                run.unfit(position, fault)
        for chunk in chunks(writes, run.open(), most=self._batch_size, most_bytes=self._most_bytes):
            try:
                self._send(run, chunk)
            except RetryError:
                if run.untouched:
                    raise
                break
        return run.outcomes()

    def _send(self, run: Run, positions: Sequence[int]) -> None:
        run.refused_calls = 0
        if self._goes_in_bulk(run, positions):
            self._bulk(run, positions)
        else:
            self._batch(run, positions)

    def _goes_in_bulk(self, run: Run, positions: Sequence[int]) -> bool:
        if run.kind is WriteKind.CREATE:
            return self._table.bulk_create
        return run.kind is WriteKind.UPDATE and self._table.bulk_update and not run.has_etag(positions)

    # --- bulk calls -------------------------------------------------------------------------------------------------

    def _bulk(self, run: Run, positions: Sequence[int]) -> None:
        repeatable = run.kind is WriteKind.UPDATE
        try:
            reply = self._call(run, positions, repeatable=repeatable)
        except UnavailableError as error:
            self._unanswered(run, positions, error, repeated=repeatable)
            return
        if reply.refused:
            self._narrow(run, positions, reply)
        else:
            self._check_ids(run, positions, reply)
            run.done(positions)

    def _call(self, run: Run, positions: Sequence[int], *, repeatable: bool) -> Reply:
        """One bulk call. What the transport does not repeat by itself (creates) is repeated here after a deadlock.

        Such a refusal says for certain that the call was rolled back.
        """
        path = f"{self._table.entity_set}/Microsoft.Dynamics.CRM.{_MESSAGES[run.kind]}"
        body = self._targets(run, positions)
        attempt = 0
        while True:
            attempt += 1
            reply = self._transport.exchange("POST", path, body=body, repeatable=repeatable)
            if not reply.refused or repeatable or self._table.elastic or attempt > repeats_allowed(reply):
                return reply
            self._transport.wait(self._transport.backoff_s(attempt))

    def _targets(self, run: Run, positions: Sequence[int]) -> bytes:
        rows = (body_with_id(self._table, run.writes[position], typed=True) for position in positions)
        return f'{{"Targets":[{",".join(rows)}]}}'.encode()

    def _check_ids(self, run: Run, positions: Sequence[int], reply: Reply) -> None:
        """The rows were created under the ids that were sent, or nothing that is known of them is true."""
        if run.kind is not WriteKind.CREATE or not reply.body:
            return
        ids = reply.json().get("Ids")
        wanted = [run.writes[position].row_id for position in positions]
        if isinstance(ids, list) and [str(one).strip("{}").lower() for one in ids] != wanted:
            raise DestinationError(
                f"the table {self._table.name!r} does not keep the ids that rows are created with; it cannot be a "
                "destination of creates",
                request_id=request_id_of(reply.headers),
            )

    def _narrow(self, run: Run, positions: Sequence[int], reply: Reply) -> None:
        """A refused bulk call: find its bad records and land the rest."""
        reaction = reaction_to(reply.refusal)
        if reaction is Reaction.FAIL:
            raise refused(reply)
        if self._table.elastic:  # such a call is not rolled back whole: each row may be there
            run.in_doubt.update(positions)
            self._batch(run, positions)
            return
        run.refused_calls += reaction is not Reaction.SHRINK
        if len(positions) > 1 and self._goes_on_in_halves(run, positions, reaction):
            for half in halves(positions):
                self._bulk(run, half)
        else:
            self._batch(run, positions)

    def _goes_on_in_halves(self, run: Run, positions: Sequence[int], reaction: Reaction) -> bool:
        if reaction is Reaction.SHRINK:
            return True
        if reaction is Reaction.FAIL_WHEN_ALL:
            return False
        return len(positions) > SMALL and run.refused_calls <= REFUSED_CALLS

    # --- batches ----------------------------------------------------------------------------------------------------

    def _batch(self, run: Run, positions: Sequence[int]) -> None:
        writes = [run.writes[position] for position in positions]
        boundary = boundary_of(writes)
        body = batch_body(self._table, run.kind, writes, boundary=boundary, root=self._transport.service.path)
        repeatable = is_repeatable(run, positions)
        try:
            reply = self._transport.exchange(
                "POST", "$batch", body=body, headers=batch_headers(boundary), repeatable=repeatable
            )
        except UnavailableError as error:
            self._unanswered(run, positions, error, repeated=repeatable)
            return
        parts = read_answers(reply.headers, reply.body)
        if parts is not None and len(parts) <= len(positions):
            self._take_answers(run, positions, parts, request_id_of(reply.headers))
        elif reply.refused and reply.status < 500:
            self._refused_batch(run, positions, reply)
        else:
            self._lost(run, positions)

    def _refused_batch(self, run: Run, positions: Sequence[int], reply: Reply) -> None:
        """The batch as a whole was refused: nothing of it was carried out. (A 5xx is no such word: it is in doubt.)"""
        if reaction_to(reply.refusal) is not Reaction.SHRINK:
            raise refused(reply)
        if len(positions) == 1:
            run.rejected(positions[0], reply.refusal)
            return
        for half in halves(positions):
            self._batch(run, half)

    def _take_answers(self, run: Run, positions: Sequence[int], parts: Sequence[Part], request_id: str | None) -> None:
        """Sort the rows of a batch by their answers. Rows without a part are in doubt."""
        run.in_doubt.update(positions[len(parts) :])
        refusals: dict[int, Refusal] = {}
        pauses_s: list[float] = []
        for position, part in zip(positions, parts, strict=False):
            if part.status < 300:
                run.done([position])
            else:
                refusals[position] = part.refusal(request_id)
                pauses_s.append(self._pause_s(part))
        again = [position for position, refusal in refusals.items() if settle(run, position, refusal)]
        end_when_all(positions, refusals)
        self._look_up_taken(run, refusals)
        self._send_again(run, again, refusals, max(pauses_s, default=0.0))
        if len(parts) < len(positions):
            self._lost(run, positions[len(parts) :])

    def _pause_s(self, part: Part) -> float:
        named_s = retry_after_s(part.headers, self._transport.now())
        return min(named_s or 0.0, self._transport.timeout_s)

    def _look_up_taken(self, run: Run, refusals: dict[int, Refusal]) -> None:
        """Creates whose id is said to exist: ours when they were in doubt, somebody else's when not."""
        taken = [position for position, refusal in refusals.items() if id_is_taken(run, refusal)]
        if not taken:
            return
        present = self._present(run, taken)
        for position in taken:
            note_taken(run, position, refusals[position], present)

    def _send_again(self, run: Run, again: Sequence[int], refusals: dict[int, Refusal], pause_s: float) -> None:
        """Rows that met something passing: a pause, then again, a few times."""
        tired = [position for position in again if run.resent[position] >= ROUNDS]
        for position in tired:
            give_up(run, position, refusals[position])
        fresh = [position for position in again if run.resent[position] < ROUNDS]
        if not fresh:
            return
        run.resent.update(fresh)
        self._transport.wait(max(pause_s, self._transport.backoff_s(run.resent[fresh[0]])))
        doubtful = [position for position in fresh if position in run.in_doubt]
        self._after_doubt(run, doubtful)
        certain = [position for position in fresh if position not in run.in_doubt]
        if certain:
            self._batch(run, certain)

    # --- no answer --------------------------------------------------------------------------------------------------

    def _unanswered(self, run: Run, positions: Sequence[int], error: UnavailableError, *, repeated: bool) -> None:
        """A request had no answer. When nothing was sent, or it was repeated already, there is no more to try."""
        if not error.maybe_done:
            raise error
        run.in_doubt.update(positions)
        if repeated:
            run.unsettled(positions, str(error))
        else:
            self._lost(run, positions)

    def _lost(self, run: Run, positions: Sequence[int]) -> None:
        """The answer to these rows is lost: find out, and send again what is not there, a few times."""
        run.in_doubt.update(positions)
        run.unsettled(position for position in positions if run.resent[position] >= ROUNDS)
        fresh = [position for position in positions if run.resent[position] < ROUNDS]
        if fresh:
            run.resent.update(fresh)
            self._transport.wait(self._transport.backoff_s(run.resent[fresh[0]]))
            self._after_doubt(run, fresh)

    def _after_doubt(self, run: Run, positions: Sequence[int]) -> None:
        """Creates are looked up by their ids; what is absent, and all else, is sent again."""
        if run.kind is WriteKind.CREATE and positions:
            present = self._present(run, positions)
            if present is None:
                run.unsettled(positions)
                return
            run.done(position for position in positions if run.writes[position].row_id in present)
            positions = [position for position in positions if run.writes[position].row_id not in present]
        if not positions:
            return
        if self._goes_in_bulk(run, positions):
            self._bulk(run, positions)
        else:
            self._batch(run, positions)

    def _present(self, run: Run, positions: Sequence[int]) -> set[str] | None:
        """Which of the rows exist, by id; None when that cannot be read now."""
        ids = [run.writes[position].row_id for position in positions]
        try:
            return set(self._reader.rows_by_id(self._table, ids, [self._table.id_column]))
        except RetryError:
            return None
