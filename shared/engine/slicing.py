"""Slices: how long one may go on, what it leaves for the next, and when a job is given up that gets no further.

What a slice leaves of an unfinished draft is the job's whole workspace, one DuckDB file with the records, the rows read
so far and, in the table `begun`, where the next slice goes on. It appears with the job whole or not at all.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import orjson

from shared.dataverse.chains import Rest
from shared.engine.workspace import DATABASE, Workspace, room_in_words
from shared.errors import FailError
from shared.ports import ArtifactStore, MalformedRow, StagedSource, State
from shared.values.files import FileRead
from shared.values.jobs import Job, Phase, Slices

KEPT = f"work-{duckdb.__version__}-3.duckdb"
"""The unfinished draft among a job's files. Another version of DuckDB, or of the draft, begins anew."""
RESTS = frozenset({Phase.RESOLVE, Phase.READ_DESTINATION, Phase.RECONCILE, Phase.COMPARE})
"""Phases at whose beginning, or in whose course, an unfinished draft can be left."""
MOST_IDLE = 2
"""Slices in a row that may bring a job no further."""


class SliceOverError(Exception):
    """The slice's time is up; what is done is left for the next one. `reached` says where, for people."""

    def __init__(self, reached: str) -> None:
        super().__init__(reached)
        self.reached = reached


@dataclass(slots=True)
class Span:
    """How long a run may go on: until `ends_at`, by the clock that nobody sets, or until it is once told to stop."""

    ends_at: float = math.inf
    stopping: Callable[[], bool] = lambda: False
    monotonic: Callable[[], float] = time.monotonic
    _over: bool = False

    @property
    def over(self) -> bool:
        """Whether the time is up; once it is, it stays so."""
        self._over = self._over or self.monotonic() >= self.ends_at or self.stopping()
        return self._over


@dataclass(frozen=True, slots=True)
class Begun:
    """Where an unfinished draft stands; the tables are in its workspace.

    `shape`: fingerprint of the statements that made them. `pages`: pages of the destination that were loaded, and
    `rests` is what is left to be read (after some pages nothing: all is there). `resolved`: the records are mapped,
    their lookups resolved. `ids`: pages of ids that were read to begin change tracking.
    """

    began: datetime
    staged: StagedSource
    columns: Mapping[str, str] = field(default_factory=dict)
    shape: str = ""
    resolved: bool = False
    pages: int = 0
    rests: tuple[Rest, ...] = ()
    timings_s: Mapping[str, float] = field(default_factory=dict)
    ids: int = 0

    @property
    def read(self) -> bool:
        """Whether all pages are there."""
        return self.pages > 0 and not self.rests

    @property
    def reached(self) -> str:
        """In words, for people; it changes whenever the draft gets on."""
        ids = f", {self.ids:,} pages of the destination's ids are read" if self.ids else ""
        if not self.resolved:
            return f"the source is read{ids}"
        end = " to the end" * self.read
        return f"the records are resolved{ids}, {self.pages:,} pages of the destination are read{end}"

    def to_json(self) -> str:
        """As it is stored."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> Begun:
        """As it was stored."""
        values: dict[str, Any] = orjson.loads(text)
        staged: dict[str, Any] = values.pop("staged")
        staged["malformed"] = tuple(MalformedRow(**row) for row in staged["malformed"])
        staged["files"] = tuple(FileRead(**file) for file in staged["files"])
        began = datetime.fromisoformat(values.pop("began"))
        rests = tuple(_rest(**rest) for rest in values.pop("rests"))
        return cls(**values, began=began, staged=StagedSource(**staged), rests=rests)


def _rest(link: str, until: str | None) -> Rest:
    return Rest(link, datetime.fromisoformat(until) if until else None)


def shape(*statements: str) -> str:
    """The fingerprint of statements."""
    return hashlib.sha256("\0".join(statements).encode()).hexdigest()


def leave(workspace: Workspace, begun: Begun) -> None:
    """Write into the workspace where its draft stands, all of it into its one file."""
    workspace.run("CREATE OR REPLACE TABLE begun AS SELECT $begun::VARCHAR AS begun", {"begun": begun.to_json()})
    workspace.run("CHECKPOINT")


def left_in(workspace: Workspace) -> Begun | None:
    """Where the draft of a workspace stands; None in a new one."""
    if not workspace.value("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'begun'"):
        return None
    ((text,),) = workspace.rows("FROM begun")
    return Begun.from_json(str(text))


def keep(store: ArtifactStore, job: Job, folder: Path) -> None:
    """Keep the workspace in `folder`, which is closed, with the job; the file is consumed."""
    store.put(job.id, KEPT, folder / DATABASE)


def fetch(store: ArtifactStore, job: Job, folder: Path) -> None:
    """Copy the workspace that an earlier slice kept, if any, into `folder`."""
    if job.slices is not None and KEPT in store.names(job.id):
        with room_in_words():
            shutil.copyfile(store.path(job.id, KEPT), folder / DATABASE)


def sweep(store: ArtifactStore, job: Job, *, ended: bool) -> None:
    """Delete what slices left; after a good end also the files that were handed over."""
    if job.slices is None:
        return
    done = set(job.handed_over.values()) if ended else set()
    for name in store.names(job.id):
        if name in done or name.startswith("work-"):
            store.drop(job.id, name)


def advanced(state: State, job: Job, *, died: bool) -> Slices:
    """The slices of a job as the next one begins.

    Raises:
        FailError: the last slices brought the job no further.
    """
    found = job.slices or Slices()
    answered = sum(chunk.answered for chunk in state.chunks(job.id)) if job.planned else 0
    mark = f"{found.reached}; {answered} chunks are answered; {found.waited_s:.0f} s were waited"
    mark += f"; {len(job.steps)} of the steps after it are taken" if job.steps else ""
    idle = found.idle + 1 if mark == found.mark else 0
    if idle >= MOST_IDLE:
        how = "the last one died" if died else "their time was up"
        raise FailError(
            f"{MOST_IDLE} slices in a row brought the job no further ({how}; {mark}); raise DYNSYNC_MAX_SLICE_S, give "
            f"the app more memory, or read less at once. `apply {job.id}` tries again"
        )
    return replace(found, begun=found.begun + 1, resting=False, careful=found.careful or died, mark=mark, idle=idle)
