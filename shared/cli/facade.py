"""What the command line needs from the product. `shared.wiring.open_app` gives it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from shared.errors import DefinitionError
from shared.ports import ProgressListener
from shared.values.cases import ANY, Case, Choice
from shared.values.changes import Action
from shared.values.definitions import DefinitionView, Draft
from shared.values.events import Bucket, ListenerView, ParkedEvent, RedriveResult, RejectedEvent
from shared.values.jobs import Job
from shared.values.looks import SourceSample
from shared.values.messages import DeadLetter
from shared.values.plans import PlannedChange
from shared.values.problems import Problem
from shared.values.records import Reject
from shared.values.revisions import Revision
from shared.values.rights import Finding, Role
from shared.values.schedules import Upcoming
from shared.values.secrets import SecretEntry
from shared.values.stories import RecordStory
from shared.values.tables import Table
from shared.values.watermarks import Watermark


class App(Protocol):
    """The product behind one state folder and one folder of definitions.

    Job ids may be shortened to a unique beginning. Raises, from every method: a `DynsyncError`.
    """

    def sync_names(self) -> list[str]:
        """The names of all definitions, broken ones too."""

    def broken(self) -> Mapping[str, DefinitionError]:
        """Definitions that cannot be used, and why."""

    def check(self, sync: str) -> list[Problem]:
        """Everything that is wrong with the definition, the reach, the source and the destination's metadata."""

    def start(
        self,
        sync: str,
        *,
        variables: Mapping[str, str],
        files: Mapping[str, Path],
        started_by: str,
        progress: ProgressListener,
        apply: bool,
    ) -> Job:
        """A new job: its plan, which waits; with `apply`, also carried out, unless a brake or an approval holds it."""

    def queue(
        self, sync: str, *, variables: Mapping[str, str], files: Mapping[str, Path], started_by: str, apply: bool
    ) -> Job:
        """A new job that waits for its turn, with copies of its files."""

    def apply(self, job_id: str, *, started_by: str, progress: ProgressListener) -> Job:
        """Carry out the plan of a job that waits."""

    def undo(self, job_id: str, *, started_by: str, progress: ProgressListener, apply: bool) -> Job:
        """A plan that takes a job's changes back, which waits; with `apply`, also carried out."""

    def replay(self, target: str, choice: Choice, *, started_by: str, progress: ProgressListener, apply: bool) -> Job:
        """Open rejects of a sync, or of a job, run again; the plan waits, or with `apply` is carried out."""

    def open_rejects(self, target: str, choice: Choice = ANY) -> Iterator[Case]:
        """The open rejects of a sync, or those that a job set aside."""

    def cancel(self, job_id: str, *, by: str) -> Job:
        """Stop a job: a running one stops within one batch, one that waits is cancelled at once."""

    def jobs(self, *, sync: str | None = None, limit: int = 20) -> list[Job]:
        """The newest first."""

    def job(self, job_id: str) -> Job:
        """One job."""

    def plan_sample(
        self, job_id: str, *, limit: int, actions: Sequence[Action] | None = None, key: str | None = None
    ) -> list[PlannedChange]:
        """The first changes of the plan; of some actions, or of one key, when asked."""

    def export_plan(self, job_id: str, path: Path) -> int:
        """Write the whole plan to a CSV, JSON lines or Parquet file, by its suffix; returns the changes written."""

    def rejects(self, job_id: str, *, limit: int | None = None) -> Iterator[Reject]:
        """The job's rejects, by row."""

    def watermark(self, sync: str) -> Watermark | None:
        """How far an incremental sync has read its source; None: the next run reads all."""

    def set_watermark(self, sync: str, text: str | None, *, dry: bool = False) -> Watermark | None:
        """Put the watermark there; None takes it away. `dry`: only say what it would be."""

    def upcoming(self) -> list[Upcoming]:
        """Every sync that has a schedule, with its next times."""

    def secret_place(self) -> str:
        """Where secrets are kept, for people."""

    def secret_entries(self) -> list[SecretEntry]:
        """The secrets that syncs name or may name: whether each is set, never its value."""

    def set_secret(self, name: str, read: Callable[[], str]) -> None:
        """Keep a secret that some sync may name; `read` gives the value, once it is known that it is wanted."""

    def stories(
        self, key: str, *, job_id: str | None = None, sync: str | None = None, limit: int = 20
    ) -> list[RecordStory]:
        """What a job did to the record with a key, or what the last jobs did to it, the newest first."""

    def table(self, sync: str, destination: Mapping[str, object]) -> Table:
        """The table that a definition's `destination:` leads to: what it says, in YAML's words, of where and who."""

    def sample(self, sync: str, source: Mapping[str, object]) -> SourceSample:
        """A first look at the table that a definition's `source:` leads to: what it says, in YAML's words, of where."""


@runtime_checkable
class Doctor(Protocol):
    """An app that can look at environments itself, because it holds definitions and credentials."""

    def findings(self, sync: str) -> list[Finding]:
        """What stands in the way of the sync in its environment, each with its fix."""

    def roles(self, syncs: Sequence[str], *, undo: bool) -> list[Role]:
        """The least-privilege security role of each environment that the syncs write to; none named: all of them."""


class EventWords(Protocol):
    """The words about real time."""

    def listeners(self) -> list[ListenerView]:
        """All syncs that have a listener."""

    def listener(self, sync: str) -> ListenerView:
        """How one listener fares."""

    def switch(self, sync: str, *, on: bool) -> ListenerView:
        """Switch a listener on or off."""

    def start_from(self, sync: str, moment: datetime | None) -> ListenerView:
        """Skip what was sent before a moment."""

    def parked(self, sync: str, *, limit: int = 100) -> list[ParkedEvent]:
        """Events that wait."""

    def release(self, sync: str, *, by: str) -> dict[Bucket, int]:
        """Let go what may go; what became of it."""

    def rejected_events(self, sync: str, *, limit: int = 100) -> list[RejectedEvent]:
        """Events that were set aside."""

    def replay_events(self, sync: str, numbers: Collection[int] | None = None) -> dict[Bucket, int]:
        """Apply rejected events once more; what became of them."""

    def publish(self, sync: str, documents: Sequence[bytes]) -> int:
        """Send messages, once all are found good."""

    def dead_letters(self, *, limit: int = 100) -> list[DeadLetter]:
        """Messages that failed again and again."""

    def redrive(self, numbers: Collection[int] | None = None) -> RedriveResult:
        """Put dead letters back on the queue."""

    def close(self) -> None:
        """Give all connections back."""


@runtime_checkable
class Hears(Protocol):
    """An app that knows of real time itself, because it holds its state."""

    @property
    def events(self) -> EventWords:
        """The words about real time."""


class DefinitionWords(Protocol):
    """The words about definitions that are edited in the app."""

    def show(self, sync: str) -> DefinitionView:
        """The definition as it is now."""

    def revisions(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """What was changed, the newest first."""

    def text(self, sync: str, number: int) -> str:
        """The text of a revision; of 0, the file's."""

    def draft(self, sync: str, text: str) -> Draft:
        """What a text would be as the next definition."""

    def save(self, sync: str, text: str | None, *, expected: int, by: str, note: str = "") -> Revision:
        """A text in the definition's place, or (None) the definition dropped, by who has read revision `expected`."""


@runtime_checkable
class Edits(Protocol):
    """An app whose definitions can be edited, because it keeps their revisions."""

    @property
    def definitions(self) -> DefinitionWords:
        """The words about definitions."""
