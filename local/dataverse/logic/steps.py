"""Plug-in steps: Python that runs before or after a row is written, within its transaction, or later by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import UUID, uuid4, uuid5

from local.dataverse.logic.events import Event, Origin, Row, StepRefusedError
from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.store import Store
from local.dataverse.tables import Table

DEEPEST = 8
"""Source: Microsoft Learn, "Understand the execution context": a chain of steps ends at this depth."""
SANDBOX_BYTES = int(116.85 * 1024 * 1024)
"""Source: Microsoft Learn, "Bulk operation messages": what a request may hold when a plug-in step looks at it."""
MOST_BYPASSED = 3
"""Source: Microsoft Learn, "Bypass custom Dataverse logic": so many steps may be named, unless the organization says
otherwise."""
MESSAGES = ("Create", "Update", "Delete")
"""What a step may be registered for."""


class Stage(StrEnum):
    """When a step runs: before the write, after it in its transaction, or later by itself."""

    BEFORE = "before"
    AFTER = "after"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `act` on each `message` (Create, Update, Delete) of a table ('' = any); an update only when it brings
    one of `columns` (empty = any). A `detached` one that comes later needs no rows, so nobody waits for it."""

    act: Callable[[Event], None]
    table: str = ""
    message: str = ""
    stage: Stage = Stage.AFTER
    columns: frozenset[str] = frozenset()
    name: str = "step"
    detached: bool = False
    id: str = field(default_factory=lambda: str(uuid4()))

    def listed_id(self, message: str) -> str:
        """The id under which the service lists it: a step for every message is one for each of them there."""
        return self.id if self.message else str(uuid5(UUID(self.id), message))


class Steps:
    """The steps of an environment, and what they are told. What is for later waits in the database, so that it goes
    with the transaction when that is rolled back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._steps: list[Step] = []
        self._silent: tuple[str, ...] = ()
        self._size = 0
        self._later: dict[int, tuple[Step, Event]] = {}
        self._origin = Origin()
        self._delay_s = 0.0
        self._image: Callable[[str, str], Row | None] = lambda *_: None
        self._write: Callable[[str, str, str, Row], str] = lambda *_: ""
        store.run('CREATE TEMP TABLE "~later" (number INTEGER PRIMARY KEY AUTOINCREMENT)')

    def bind(self, image: Callable[[str, str], Row | None], write: Callable[[str, str, str, Row], str]) -> None:
        """How a row is read (by table and id) and written (by message, table and id)."""
        self._image, self._write = image, write

    @property
    def registered(self) -> tuple[Step, ...]:
        """All steps, in the order in which they run."""
        return tuple(self._steps)

    def add(self, step: Step) -> None:
        """Registers a step; steps run in the order in which they were registered."""
        self._steps.append(step)

    def remove(self, step: Step) -> None:
        """Takes a step back."""
        self._steps.remove(step)

    @contextmanager
    def silenced(self, table: str = "") -> Iterator[None]:
        """Writes inside raise no steps, with a table's name none of this table."""
        before, self._silent = self._silent, (*self._silent, table)
        try:
            yield
        finally:
            self._silent = before

    def begin(self, users: tuple[str, str], tag: str | None, headers: Mapping[str, str]) -> None:
        """Before a request: where its writes come from. `users` are who asks and as whom it is done.

        Raises:
            Refusal: it names more steps to bypass than it may.
        """
        self._origin = Origin(*users, tag, 1, str(uuid4()), bypassed(headers)) if self._steps else Origin()

    def sized(self, size_bytes: int) -> None:
        """How large the request is."""
        self._size = size_bytes

    def take_delay(self) -> float:
        """Seconds by which steps made the request longer."""
        taken, self._delay_s = self._delay_s, 0.0
        return taken

    def slow(self, seconds: float) -> None:
        """Makes the current request take so much longer."""
        self._delay_s += seconds

    def take_later(self) -> list[tuple[Step, Event]]:
        """What is to run later and was committed."""
        if not self._later:
            return []
        numbers = [int(str(row[0])) for row in self._store.all('SELECT number FROM "~later" ORDER BY number')]
        self._store.run('DELETE FROM "~later"')
        taken = [self._later[number] for number in numbers if number in self._later]
        self._later = {}
        return taken

    def run_later(self, step: Step, event: Event) -> None:
        """Runs an asynchronous step now, in a transaction of its own.

        Raises:
            StepRefusedError: the step itself has failed.
        """
        if step.detached:
            step.act(event)
            return
        self._origin = event.origin
        with self._store.transaction():
            self._run(step, event)

    def wanted(self, table: Table, message: str) -> list[Step]:
        """The steps for a message, without those that the caller bypasses.

        Raises:
            Refusal: a step has to be told of a request that is too large for it.
        """
        if not self._steps or "" in self._silent or table.name in self._silent:
            return []
        found = [step for step in self._steps if step.table in ("", table.name) and step.message in ("", message)]
        found = [step for step in found if not {_kind(step), step.listed_id(message)} & self._origin.bypassed]
        if self._size > SANDBOX_BYTES and not all(step.detached for step in found):
            raise Refusal(400, "0x80040216", "Message size exceeded when sending context to Sandbox.")
        return found

    def events(self, message: str, table: Table, rows: Sequence[Row], ids: Sequence[str] = ()) -> list[Event]:
        """The events of a write, with the rows as they were before."""
        return [
            Event(
                message,
                table.name,
                dict(row),
                row_id,
                self._image(table.name, row_id) if row_id else None,
                origin=self._origin,
                write=self._nested,
            )
            for row, row_id in zip(rows, ids or [""] * len(rows), strict=True)
        ]

    def before(self, steps: Sequence[Step], events: Sequence[Event]) -> None:
        """Runs the steps before the write.

        Raises:
            StepRefusedError: a step refuses it.
        """
        self._each([step for step in steps if step.stage is Stage.BEFORE], events)

    def after(self, steps: Sequence[Step], events: Sequence[Event]) -> None:
        """Runs the steps after the write, and lets those for later wait.

        Raises:
            StepRefusedError: a step refuses it.
        """
        rest = [step for step in steps if step.stage is not Stage.BEFORE]
        for event in events if rest else ():
            event.after = self._image(event.table, event.row_id) if event.message != "Delete" else None
        self._each([step for step in rest if step.stage is Stage.AFTER], events)
        for step in rest:
            if step.stage is Stage.LATER:
                self._wait(step, [event for event in events if _concerns(step, event)])

    @contextmanager
    def deleting(self, table: Table, row_id: str) -> Iterator[None]:
        """Runs the steps of a delete around it."""
        steps = self.wanted(table, "Delete")
        if not steps:
            yield
            return
        events = self.events("Delete", table, [{}], [row_id])
        with refused():
            self.before(steps, events)
        yield
        with refused():
            self.after(steps, events)

    def _each(self, steps: Sequence[Step], events: Sequence[Event]) -> None:
        for step in steps:
            for event in events:
                if _concerns(step, event):
                    with _broken(step):
                        self._run(step, event)

    def _run(self, step: Step, event: Event) -> None:
        step.act(event)
        self._delay_s += event.delay_s
        event.delay_s = 0.0

    def _wait(self, step: Step, events: Sequence[Event]) -> None:
        for event in events:
            number = int(str(self._store.value('INSERT INTO "~later" DEFAULT VALUES RETURNING number')))
            self._later[number] = (step, event)

    def _nested(self, message: str, table: str, row_id: str, row: Row) -> str:
        """A write by a step: it raises the steps of its own table, one level deeper."""
        outer = self._origin
        if outer.depth >= DEEPEST:
            raise StepRefusedError("This job was canceled because the logic that started it has an infinite loop.")
        self._origin = replace(outer, depth=outer.depth + 1)
        try:
            return self._write(message, table, row_id, row)
        finally:
            self._origin = outer


@contextmanager
def refused() -> Iterator[None]:
    """Turns what a step refuses into the service's refusal."""
    try:
        yield
    except StepRefusedError as found:
        raise found.refusal from None


@contextmanager
def _broken(step: Step) -> Iterator[None]:
    """Turns an error in a step into what the service says of a plug-in that breaks."""
    try:
        yield
    except (StepRefusedError, Refusal, RowRefusal):
        raise
    except Exception as error:
        told = f"Unexpected exception from plug-in (Execute): {step.name}: {type(error).__name__}: {error}"
        text = f"An unexpected error occurred from ISV code. (ErrorType = ClientError) {told}"
        raise StepRefusedError(text, "0x80040224") from error


def _kind(step: Step) -> str:
    return "CustomAsync" if step.stage is Stage.LATER else "CustomSync"


def _concerns(step: Step, event: Event) -> bool:
    if event.message != "Update" or not step.columns:
        return True
    return any(name.partition("@")[0] in step.columns for name in event.row)


def bypassed(headers: Mapping[str, str]) -> frozenset[str]:
    """Kinds of steps, and ids of single ones, that a request leaves out.

    Raises:
        Refusal: it names more single ones than it may.
    """
    listed = headers.get("mscrm.bypassbusinesslogicexecutionstepids", "")
    ids = {one.strip().lower() for one in listed.split(",") if one.strip()}
    if len(ids) > MOST_BYPASSED:
        raise Refusal(
            400,
            "0x80040203",
            f"MSCRM.BypassBusinessLogicExecutionStepIds names {len(ids)} steps; at most {MOST_BYPASSED} are allowed.",
        )
    given = headers.get("mscrm.bypassbusinesslogicexecution", "")
    names = {name.strip() for name in given.split(",")}
    if headers.get("mscrm.bypasscustompluginexecution", "").lower() == "true":
        names.add("CustomSync")
    return frozenset(names & {"CustomSync", "CustomAsync"} | ids)
