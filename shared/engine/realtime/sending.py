"""Sends what a turn planned: creates, then changes, then links to rows just created, then deletes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.engine.chunks import write_kind
from shared.engine.creating import Creator, RowWriter
from shared.engine.plan import Manifest, PlanRow
from shared.engine.readback import ReadBack
from shared.errors import DynsyncError
from shared.values.changes import Outcome, OutcomeStatus, Write, WriteKind


@dataclass(frozen=True, slots=True)
class Moment:
    """The changes of a moment, as `ReadBack` wants them: they are stored nowhere."""

    manifest: Manifest

    def sent_values(self, row: PlanRow) -> dict[str, object]:
        """What a change writes at first, by read name."""
        return self.manifest.sent_values(row)


@dataclass(slots=True)
class Sent:
    """The outcomes by change; `stopped` is why some have none."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    stopped: DynsyncError | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends planned changes of one table."""

    writer: RowWriter
    readback: ReadBack
    derived: bool

    def send(self, rows: Sequence[PlanRow]) -> Sent:
        """All changes; what is not answered when the service fails has no outcome."""
        sent = Sent()
        for kind in (WriteKind.CREATE, WriteKind.UPDATE, None, WriteKind.DELETE):
            try:
                sent.outcomes |= self._linked(rows, sent) if kind is None else self._kind(kind, rows)
            except DynsyncError as error:
                sent.stopped = error
                break
        return sent

    def _kind(self, kind: WriteKind, rows: Sequence[PlanRow]) -> dict[int, Outcome]:
        own = [row for row in rows if write_kind(row.action) is kind]
        if kind is WriteKind.CREATE:
            return Creator(self.writer, self.readback, self.derived).create(own) if own else {}
        writes = [Write(row.change, row.id, row.after or "{}") for row in own if row.after != "{}"]
        idle = {row.change: Outcome(row.change, OutcomeStatus.DONE) for row in own if row.after == "{}"}
        return idle | ({outcome.change: outcome for outcome in self.writer.write(kind, writes)} if writes else {})

    def _linked(self, rows: Sequence[PlanRow], sent: Sent) -> dict[int, Outcome]:
        """The second step of changes whose links wait for rows of the same turn."""
        done = {n for n, outcome in sent.outcomes.items() if outcome.status is OutcomeStatus.DONE}
        ids = {row.id: sent.outcomes[row.change].row_id or row.id for row in rows if row.change in done}
        own = [row for row in rows if row.deferred and row.change in done]
        writes = [Write(row.change, ids[row.id], _moved(row.deferred or "{}", ids)) for row in own]
        found = {o.change: o for o in self.writer.write(WriteKind.UPDATE, writes)} if writes else {}
        return {n: outcome for n, outcome in found.items() if outcome.status is not OutcomeStatus.DONE}


def _moved(links: str, ids: Mapping[str, str]) -> str:
    """The links, with each row that was created under another id than planned by the id that it has."""
    for planned, made in ids.items():
        if planned != made:
            links = links.replace(f"({planned})", f"({made})")
    return links
