"""Where the draft of an undo stands, and what it leaves in its workspace for the next slice.

A draft goes through its job's changes several times, a batch at a time; between two batches it can be left. What is
planned so far stays in the workspace; beside it

    stand     one row: how far the draft has come, as JSON
    known     kind, id: the rows that the job deleted, those that are to come again, those that are there again

What was looked at may have changed by the time of the next slice. That does no harm: an undo compares every row once
more before it writes it, and looks again for rows that refer to those that it deletes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.engine.workspace import Workspace

_STAND = "CREATE OR REPLACE TABLE stand AS SELECT $stand::VARCHAR AS stand"
_KNOWN = "CREATE OR REPLACE TABLE known (kind VARCHAR, id VARCHAR)"


@dataclass(slots=True)
class Stand:
    """How far a draft has come: so many `batches` of the `stage`th round, counted from 0.

    `counts` as in `Sheet`. `deleted`: rows that the job deleted and that are gone; `coming`: those of them that are
    made again; `back`: those that are there again. `relinked`: a cleared link is put back. `unseen`: relationships
    that cannot be read.
    """

    stage: int = 0
    batches: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    deleted: set[str] = field(default_factory=set)
    coming: set[str] = field(default_factory=set)
    back: set[str] = field(default_factory=set)
    relinked: bool = False
    unseen: tuple[str, ...] = ()
    timings_s: dict[str, float] = field(default_factory=dict)

    def through[T](self, batches: Iterable[T]) -> Iterator[T]:
        """The batches of this round that are left; each counts as done when the next one is asked for."""
        for number, batch in enumerate(batches):
            if number >= self.batches:
                yield batch
                self.batches = number + 1

    def next_round(self) -> None:
        """All batches of this round are done."""
        self.stage, self.batches = self.stage + 1, 0

    @property
    def reached(self) -> str:
        """In words, for people; it changes whenever the draft gets on."""
        return f"of the changes to take back, {self.batches:,} batches of round {self.stage + 1} are looked at"

    def leave(self, workspace: Workspace) -> None:
        """Write it into the workspace, and all of that into its one file."""
        plain = {
            "stage": self.stage,
            "batches": self.batches,
            "counts": dict(self.counts),
            "relinked": self.relinked,
            "unseen": self.unseen,
            "timings_s": self.timings_s,
        }
        workspace.run(_STAND, {"stand": orjson.dumps(plain).decode()})
        workspace.run(_KNOWN)
        for kind, ids in self._sets.items():
            workspace.append("known", [(kind, row_id) for row_id in sorted(ids)])
        workspace.run("CHECKPOINT")

    @property
    def _sets(self) -> dict[str, set[str]]:
        return {"deleted": self.deleted, "coming": self.coming, "back": self.back}


def left_in(workspace: Workspace) -> Stand | None:
    """What an earlier slice left in a workspace; None in a new one."""
    if not workspace.value("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'stand'"):
        return None
    ((text,),) = workspace.rows("FROM stand")
    values: dict[str, Any] = orjson.loads(str(text))
    counts, unseen = Counter(values.pop("counts")), tuple(values.pop("unseen"))
    stand = Stand(**values, counts=counts, unseen=unseen)
    for kind, row_id in workspace.rows("FROM known"):
        stand._sets[str(kind)].add(str(row_id))
    return stand
