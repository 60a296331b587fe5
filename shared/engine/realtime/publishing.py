"""From documents to messages: read and checked as the listener will read them, each on its record's lane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from shared.engine.realtime.hearing import Hearing, staged_rows
from shared.engine.realtime.statements import source_table, typed_pair
from shared.engine.workspace import Limits, Workspace, workspace_folder
from shared.formats import Told, read_message
from shared.lanes import LANES, lane_of
from shared.values.events import Event, Operation, Origin
from shared.values.messages import OutgoingMessage
from shared.values.problems import Problem
from shared.values.records import Reject

LARGEST_BYTES = 192 * 1024
"""Of one message: the Standard tier takes 256 KB with everything around the body."""


@dataclass(slots=True)
class Prepared:
    """Messages ready to send, in the order of the documents; or what is wrong with them, by number from 0."""

    messages: list[OutgoingMessage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Prepares messages for one sync. `new_id` gives message ids; `lanes` is the queue's number of lanes."""

    hearing: Hearing
    limits: Limits
    new_id: Callable[[], str]
    lanes: int = LANES
    workspaces: Path | None = None

    def prepare(self, documents: Sequence[bytes]) -> Prepared:
        """One message for each document, checked against the schema; nothing is sent. All problems are told."""
        done = Prepared()
        events: list[tuple[int, Event]] = []
        for number, body in enumerate(documents):
            found = list(self._events(number, body, done))
            events += [(number, one) for one in found]
            lanes = {self._lane(one): None for one in found}
            if len(lanes) > 1:
                what = "its records belong on different lanes, so that one of them would lose its order"
                done.problems.append(Problem(str(number), what, "send one event for each record"))
            for lane in islice(lanes, 1):
                done.messages.append(
                    OutgoingMessage(
                        body=body, message_id=self.new_id(), session=lane, subject=self.hearing.definition.name
                    )
                )
        done.problems += self._broken_rules(events)
        return done

    def _events(self, number: int, body: bytes, done: Prepared) -> Iterable[Event]:
        if len(body) > LARGEST_BYTES:
            found = f"the message has {len(body):,} bytes; at most {LARGEST_BYTES:,} are sent"
            done.problems.append(Problem(str(number), found, "split the record, or let a batch job bring it"))
            return
        for part in read_message(body, self.hearing.shape):
            if isinstance(part, Reject):
                path = str(number) if part.column is None else f"{number}.{part.column}"
                done.problems.append(Problem(path, part.reason))
            elif isinstance(part, Told):
                event = Event(self.hearing.definition.name, part.operation, part.record, Origin(number))
                if self.hearing.waiting_key(event) is None:
                    key = ", ".join(self.hearing.listener.key)
                    done.problems.append(Problem(f"{number}.{key}", "the key has no value", "every message needs it"))
                yield event

    def _lane(self, event: Event) -> str:
        return lane_of(self.hearing.definition.name, self.hearing.key_texts(event), self.lanes)

    def _broken_rules(self, events: Sequence[tuple[int, Event]]) -> list[Problem]:
        """The schema's rules that upserts break."""
        upserts = [(number, one) for number, one in events if one.operation is Operation.UPSERT]
        if not upserts:
            return []
        names = self.hearing.shape.columns
        typed, _ = typed_pair(self.hearing)
        with workspace_folder(self.workspaces) as folder, Workspace(folder, limits=self.limits, kept=False) as space:
            space.run(source_table(self.hearing))
            space.append("source", staged_rows([one for _, one in upserts], names, frozenset(names)))
            space.seal()
            sql = f'SELECT row_no, "column", reason FROM ({typed.problems}) WHERE rejecting ORDER BY row_no'
            found = space.rows(sql, typed.parameters)
        told = ((upserts[int(str(row_no)) - 1][0], column, str(reason)) for row_no, column, reason in found)
        return [Problem(f"{number}.{column}" if column else str(number), reason) for number, column, reason in told]
