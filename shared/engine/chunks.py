"""Cuts a stored plan into the chunks that are sent together: the same ones at every call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shared.engine.plan import PlanFile, PlanRow
from shared.values.changes import Action, WriteKind

CHUNK = 1000
"""Changes in one chunk: the most that one bulk call takes."""
FEWEST, SPREAD = 100, 32
"""A small plan is cut into about `SPREAD` chunks, of `FEWEST` changes at least, so that they run side by side."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Changes that are sent together. `links`: their second step, which links them to rows that the job created."""

    rows: list[PlanRow]
    links: bool = False

    @property
    def kind(self) -> tuple[WriteKind, bool]:
        """What must be through before the next kind begins."""
        return (WriteKind.UPDATE if self.links else write_kind(self.rows[0].action)), self.links


def chunks(plan: PlanFile, chunk_size: int) -> Iterator[Chunk]:
    """Runs of changes of one kind of write, at most `chunk_size` each; the same runs at every call.

    Links to new rows are set when these are there, and before rows are deleted: a delete may take along the rows
    below it.
    """
    size = min(chunk_size, max(FEWEST, -(-plan.total // SPREAD)))
    linked = False
    for rows in _runs(plan, size):
        if not linked and rows[0].action is Action.DELETE:
            linked = True
            yield from _links(plan, size)
        yield Chunk(rows)
    if not linked:
        yield from _links(plan, size)


def _links(plan: PlanFile, size: int) -> Iterator[Chunk]:
    return (Chunk(rows, links=True) for rows in plan.deferring(size))


def _runs(plan: PlanFile, size: int) -> Iterator[list[PlanRow]]:
    waves = frozenset(plan.manifest.waves)
    for rows in plan.chunks(size):
        start = 0
        for end in range(1, len(rows) + 1):
            if end == len(rows) or rows[end].change in waves or _parts(rows[start].action, rows[end].action):
                yield rows[start:end]
                start = end


def _parts(one: Action, other: Action) -> bool:
    """Whether a request of another kind carries the other action."""
    return one is not other and write_kind(one) is not write_kind(other)


def write_kind(action: Action) -> WriteKind:
    """The request that carries an action."""
    if action is Action.CREATE:
        return WriteKind.CREATE
    return WriteKind.DELETE if action is Action.DELETE else WriteKind.UPDATE
