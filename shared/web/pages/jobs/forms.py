"""What the pages of jobs are asked, and what their forms bring. A field that was left empty says nothing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator

from shared.values.changes import Action
from shared.values.jobs import JobState
from shared.web.routes.forms import Cause, Form, Place, SyncName, Value

UNDER_WAY = (JobState.QUEUED, JobState.RUNNING)
AT_ONCE = 50
"""Jobs, changes or rejects of one page."""
MOST_KEYS = 1000


def _or_nothing(given: object) -> object:
    return None if isinstance(given, str) and not given.strip() else given


Blank = BeforeValidator(_or_nothing)
Key = Annotated[Value | None, Blank]
WantedState = Literal["under-way"] | JobState


class JobsQuery(Form):
    """Which jobs."""

    sync: Annotated[SyncName | None, Blank] = None
    state: Annotated[WantedState | None, Blank] = None
    before: AwareDatetime | None = None

    @property
    def states(self) -> tuple[JobState, ...]:
        """The states that are meant; none: all."""
        if self.state is None:
            return ()
        return (self.state,) if isinstance(self.state, JobState) else UNDER_WAY


class ChangesQuery(Form):
    """Which changes of a plan."""

    action: Annotated[Action | None, Blank] = None
    key: Key = None
    after: Place = 0


class RejectsQuery(Form):
    """Which rejects: an overview of their causes, or each of one cause or of one key."""

    cause: Annotated[Cause | None, Blank] = None
    key: Key = None
    after: Place = 0


class RecordQuery(Form):
    """Which record."""

    key: Key = None


class ApplyForm(Form):
    """Whether the page was seen that says what applying does."""

    confirmed: bool = False


class CancelForm(Form):
    """Nothing beside the button."""


class UndoForm(Form):
    """Nothing beside the button: an undo is planned first."""


class ReplayForm(Form):
    """Which open rejects are run again, and whether they are only planned. `lines`: a key in each."""

    cause: Annotated[Cause | None, Blank] = None
    keys: Annotated[tuple[Value, ...], Field(max_length=MOST_KEYS)] = ()
    lines: Annotated[str, StringConstraints(max_length=100_000)] = ""
    then: Literal["plan", "run"] = "plan"

    @model_validator(mode="after")
    def _few(self) -> ReplayForm:
        if len(self.chosen) > MOST_KEYS:
            raise ValueError(f"there are more than {MOST_KEYS:,} keys; replay all, or by cause")
        return self

    @property
    def chosen(self) -> tuple[str, ...]:
        """All keys that are named; none: every one."""
        return (*self.keys, *(line.strip() for line in self.lines.splitlines() if line.strip()))
