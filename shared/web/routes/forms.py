"""What calls bring, as models: bodies and queries. Unknown names are refused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from shared.definitions.document import MAX_CHARACTERS
from shared.definitions.resolving import MAX_VALUE
from shared.definitions.variables import VariableName
from shared.values.changes import Action
from shared.values.jobs import JobState
from shared.values.records import RejectType
from shared.values.revisions import LONGEST_NOTE

SyncName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
BlobAddress = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Value = Annotated[str, StringConstraints(max_length=MAX_VALUE)]


def _split(given: object) -> object:
    return given.split(",") if isinstance(given, str) else given


Actions = Annotated[tuple[Action, ...], BeforeValidator(_split)]
States = Annotated[tuple[JobState, ...], BeforeValidator(_split)]
Place = Annotated[int, Field(ge=0, le=2**53)]
MOST = 500
"""How many one page may hold."""
PageSize = Annotated[int, Field(ge=1, le=MOST, description="How many at most.")]


class Form(BaseModel):
    """What a call brings."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StartForm(Form):
    """How a job is started. A form (multipart/form-data) holds this as its field `request`, and files beside it."""

    variables: dict[VariableName, Value] = Field(default_factory=dict, description="Values by variable.")
    files: dict[VariableName, BlobAddress] = Field(
        default_factory=dict,
        description="For a file variable, the address of a blob within reach: blob://<container>/<name>.",
    )
    dry_run: bool = Field(default=False, description="true: only plan; the job then waits for approval.")


class StartJobForm(StartForm):
    """How a job is started, and of which sync."""

    sync: SyncName = Field(description="The sync's name.")


class JobsQuery(Form):
    """Which jobs."""

    sync: SyncName | None = Field(default=None, description="Only of this sync.")
    state: States = Field(default=(), description="Only in these states.")
    before: AwareDatetime | None = Field(
        default=None, description="Only those made before this time; for the next page."
    )
    beginning: Annotated[str, StringConstraints(max_length=100)] = Field(
        default="", description="Only those whose id begins so."
    )
    limit: PageSize = 50


class ChangesQuery(Form):
    """Which changes of a plan."""

    action: Actions = Field(default=(), description="Only these.")
    key: Value | None = Field(default=None, description="Only the change of this key.")
    after: Place = Field(default=0, description="Only those behind this number; for the next page.")
    limit: PageSize = 50


class RowsQuery(Form):
    """Which rows that a job wrote."""

    action: Actions = Field(default=(), description="Only those written so.")
    after: Place = Field(default=0, description="Only those behind this number; for the next page.")
    limit: PageSize = MOST


class RejectsQuery(Form):
    """Which rejects."""

    type: RejectType | None = Field(default=None, description="Only of this kind.")
    column: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None, description="Only of this column."
    )
    after: Place = Field(default=0, description="Only those behind this place; for the next page.")
    limit: PageSize = 50


class StoryQuery(Form):
    """Which record."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=MAX_VALUE)] = Field(description="Its key.")
    limit: Annotated[int, Field(ge=1, le=100, description="Of how many jobs at most.")] = 20


class PlanQuery(Form):
    """How a plan is written."""

    format: Literal["csv", "jsonl", "parquet"] = Field(default="csv", description="The file's kind.")


class WatermarkForm(Form):
    """Where to read from."""

    watermark: Value | None = Field(description="A plain number, or an ISO date; null: the next run reads everything.")
    dry_run: bool = Field(default=False, description="true: only say what the watermark would be; nothing is changed.")


class UndoForm(Form):
    """How a job is undone."""

    dry_run: bool = Field(default=False, description="true: only plan the undo; it then waits for approval.")


Cause = Annotated[str, StringConstraints(min_length=1, max_length=250)]
"""`Invalid Format`, or `Invalid Format/column`."""


class ReplayForm(Form):
    """Which open rejects are run again; all when nothing is said."""

    cause: Cause | None = Field(default=None, description="Only of this cause: a kind, or kind/column.")
    keys: Annotated[tuple[Value, ...], Field(max_length=1000)] = Field(default=(), description="Only of these keys.")
    dry_run: bool = Field(default=False, description="true: only plan; the job then waits for approval.")


class OpenQuery(Form):
    """Which open rejects."""

    cause: Cause | None = Field(default=None, description="Only of this cause: a kind, or kind/column.")
    key: Value | None = Field(default=None, description="Only of this key.")
    after: Place = Field(default=0, description="Only those behind this place; for the next page.")
    limit: PageSize = 50


DefinitionText = Annotated[str, StringConstraints(max_length=MAX_CHARACTERS)]
Note = Annotated[str, StringConstraints(max_length=LONGEST_NOTE)]


class DraftForm(Form):
    """A definition that is to be examined."""

    text: DefinitionText = Field(description="The whole definition, in YAML.")
    deep: bool = Field(
        default=False, description="true: hold a sound one against the source and Dataverse's metadata, too."
    )


class DefinitionForm(Form):
    """A definition that is to be saved."""

    text: DefinitionText = Field(description="The whole definition, in YAML.")
    note: Note = Field(default="", description="Why, for those who read the history.")


class RevisionsQuery(Form):
    """Which revisions."""

    before: Annotated[int, Field(ge=1, le=2**53)] | None = Field(
        default=None, description="Only those below this number; for the next page."
    )
    limit: PageSize = 50


class DropQuery(Form):
    """Why a definition is dropped."""

    note: Note = Field(default="", description="Why, for those who read the history.")
