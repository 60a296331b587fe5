"""The writer of a table, with the plug-in steps around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from local.dataverse.logic.events import Event, Row, StepRefusedError
from local.dataverse.logic.steps import Step
from local.dataverse.refusals import RowRefusal
from local.dataverse.tables import Table
from local.dataverse.world import World
from local.dataverse.writes.rows import Writer

_SPECIAL = frozenset(("statecode", "statuscode", "ownerid", "ownerid@odata.bind"))


class SteppedWriter(Writer):
    """Writes as `Writer` does; where steps are registered they run before and after."""

    def __init__(self, world: World, table: Table) -> None:
        super().__init__(world, table)
        self._of = table
        self._steps = world.steps

    def create(self, rows: Sequence[Row]) -> list[str]:
        """Creates rows, between the steps of Create."""
        steps = self._steps.wanted(self._of, "Create")
        if not steps:
            return super().create(rows)
        events = self._steps.events("Create", self._of, rows)
        self._stepped(steps, events, before=True)
        ids = super().create([event.row for event in events])
        for event, row_id in zip(events, ids, strict=True):
            event.row_id = row_id
        self._stepped(steps, events, before=False)
        return ids

    def update(self, ids: Sequence[str], rows: Sequence[Row]) -> None:
        """Updates rows, between the steps of Update; state, status and owner beside others are an update of their own.

        Source: Microsoft Learn, "Behavior of specialized update operations".
        """
        steps = self._steps.wanted(self._of, "Update")
        if not steps:
            super().update(ids, rows)
            return
        for positions, parts in self._parts(rows):
            try:
                self._updated(steps, [ids[at] for at in positions], parts)
            except RowRefusal as found:
                raise RowRefusal(positions[found.index], found.refusal) from None

    def _updated(self, steps: Sequence[Step], ids: Sequence[str], rows: Sequence[Row]) -> None:
        events = self._steps.events("Update", self._of, rows, ids)
        self._stepped(steps, events, before=True)
        super().update(ids, [event.row for event in events])
        self._stepped(steps, events, before=False)

    def _parts(self, rows: Sequence[Row]) -> Iterator[tuple[list[int], list[Row]]]:
        """The updates that the service makes of some: positions and rows, first what is usual, then what is special."""
        mixed = {at for at, row in enumerate(rows) if self._is_mixed(row)}
        usual = [
            {n: v for n, v in row.items() if n not in _SPECIAL} if at in mixed else row for at, row in enumerate(rows)
        ]
        yield list(range(len(rows))), usual
        if mixed:
            rest = sorted(mixed)
            yield rest, [{n: v for n, v in rows[at].items() if n in _SPECIAL or n[:1] == "@"} for at in rest]

    def _is_mixed(self, row: Row) -> bool:
        rest = row.keys() - _SPECIAL - {self._of.id_column}
        return not _SPECIAL.isdisjoint(row) and any(name[:1] != "@" for name in rest)

    def _stepped(self, steps: Sequence[Step], events: Sequence[Event], *, before: bool) -> None:
        try:
            (self._steps.before if before else self._steps.after)(steps, events)
        except StepRefusedError as found:
            raise RowRefusal(0, found.refusal) from None
