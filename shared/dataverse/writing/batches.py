"""Sends rows as batches that go on after a refused row, and settles what was refused or lost.

Here is also what follows an answer that never came, whichever way the rows were sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shared.dataverse.error_dictionary import Reaction, reaction_to
from shared.dataverse.pauses import retry_after_s
from shared.dataverse.reading import Reader
from shared.dataverse.refusals import Refusal, request_id_of
from shared.dataverse.reply import Reply
from shared.dataverse.required import refused
from shared.dataverse.transport import Transport
from shared.dataverse.writing.batch import (
    THROTTLED,
    Part,
    batch_body,
    batch_headers,
    boundary_of,
    read_answers,
    throttled_in,
)
from shared.dataverse.writing.chunks import halves
from shared.dataverse.writing.options import NO_OPTIONS, WriteOptions
from shared.dataverse.writing.pace import Pace
from shared.dataverse.writing.run import Run
from shared.dataverse.writing.verdicts import (
    end_when_all,
    give_up,
    ids_not_kept,
    is_looked_up,
    is_repeatable,
    note_taken,
    settle,
)
from shared.errors import RetryError, UnavailableError
from shared.values.changes import WriteKind
from shared.values.tables import Table

ROUNDS = 3
"""So often are rows sent again that met something passing or whose answer was lost."""


class Batches:
    """The batches of one table. `again` sends rows afresh, in bulk where the table has it."""

    def __init__(
        self,
        transport: Transport,
        table: Table,
        paces: Mapping[WriteKind, Pace],
        again: Callable[[Run, Sequence[int]], None],
        options: WriteOptions = NO_OPTIONS,
    ) -> None:
        self._transport, self._table, self._paces, self._again = transport, table, paces, again
        self._options = options
        self._reader = Reader(transport)

    def send(self, run: Run, positions: Sequence[int]) -> None:
        """One batch; each row of it gets its outcome."""
        writes = [run.writes[position] for position in positions]
        boundary = boundary_of(writes)
        root, options = self._transport.service.path, self._options
        body = batch_body(self._table, run.kind, writes, boundary=boundary, root=root, options=options)
        headers = batch_headers(boundary, options)
        repeatable = is_repeatable(run, positions)
        try:
            reply = self._transport.exchange(
                "POST",
                "$batch",
                body=body,
                headers=headers,
                repeatable=repeatable,
                rows=len(positions),
                inner=throttled_in,
            )
        except UnavailableError as error:
            self.unanswered(run, positions, error, repeated=repeatable)
            return
        if reply.in_doubt:
            run.in_doubt.update(positions)
        parts = read_answers(reply.headers, reply.body)
        if parts is not None and len(parts) <= len(positions):
            self._paces[run.kind].batch_took(len(positions), reply.seconds)
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
            give_up(run, positions[0], reply.refusal)
            return
        self._paces[run.kind].too_much(len(positions), bulk=False)
        for half in halves(positions):
            self.send(run, half)

    def _take_answers(self, run: Run, positions: Sequence[int], parts: Sequence[Part], request_id: str | None) -> None:
        """Sort the rows of a batch by their answers. Rows without a part are in doubt."""
        run.in_doubt.update(positions[len(parts) :])
        refusals: dict[int, Refusal] = {}
        pauses_s: list[float] = []
        for position, part in zip(positions, parts, strict=False):
            if part.status < 300:
                if run.kind is WriteKind.CREATE and part.names_other_than(run.writes[position].row_id):
                    raise ids_not_kept(self._table, request_id)
                run.done([position])
            else:
                refusals[position] = part.refusal(request_id)
                pauses_s.append(self._pause_s(part))
        again = [position for position, refusal in refusals.items() if settle(run, position, refusal)]
        end_when_all(positions, refusals)
        self._look_up(run, refusals, again)
        self._send_again(run, again, refusals, max(pauses_s, default=0.0))
        if len(parts) < len(positions):
            self._lost(run, positions[len(parts) :])

    def settle_refused(self, run: Run, refusals: dict[int, Refusal]) -> None:
        """Rows that were refused each by itself."""
        again = [position for position, refusal in refusals.items() if settle(run, position, refusal)]
        self._look_up(run, refusals, again)
        self._send_again(run, again, refusals, 0.0)

    def _pause_s(self, part: Part) -> float:
        """What the rows wait before they go again; for a limit, the credential rests in the transport."""
        if part.status == THROTTLED:
            return 0.0
        named_s = retry_after_s(part.headers, self._transport.now())
        return min(named_s or 0.0, self._transport.timeout_s)

    def _look_up(self, run: Run, refusals: dict[int, Refusal], again: Sequence[int]) -> None:
        """Refused creates that may be there: ours when they were in doubt, somebody else's when not."""
        left = refusals.keys() - set(again)
        taken = [position for position in sorted(left) if is_looked_up(run, position, refusals[position])]
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
            self.send(run, certain)

    # --- no answer --------------------------------------------------------------------------------------------------

    def unanswered(self, run: Run, positions: Sequence[int], error: UnavailableError, *, repeated: bool) -> None:
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
            run.found(position for position in positions if run.writes[position].row_id in present)
            positions = [position for position in positions if run.writes[position].row_id not in present]
        if positions:
            self._again(run, positions)

    def _present(self, run: Run, positions: Sequence[int]) -> set[str] | None:
        """Which of the rows exist, by id; None when that cannot be read now."""
        ids = [run.writes[position].row_id for position in positions]
        try:
            return set(self._reader.rows_by_id(self._table, ids, [self._table.id_column]))
        except RetryError:
            return None
