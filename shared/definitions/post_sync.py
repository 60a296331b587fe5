"""What happens after a job: something in Dataverse, an HTTP call, a SQL statement, another sync."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from shared.definitions.part import SYNC_NAME, AnyText, Count, Part, SecretRef, Text

JOB_VARIABLES = (
    "job_id",
    "job_sync",
    "job_state",
    "job_created",
    "job_updated",
    "job_removed",
    "job_unchanged",
    "job_rejected",
    "job_created_url",
    "job_updated_url",
)
"""Variables of the job that every step may name: its id, its sync, how it ended, its counts, and the addresses under
which the app lists the rows that it created and updated."""

GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def _plain_value(value: object) -> object:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError("is not a plain value; write a text, a number, true, false or null")


ParameterValue = Annotated[
    Any, AfterValidator(_plain_value), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})
]
"""A text, a number, true, false or null."""


class HttpCall(Part):
    """One HTTP call."""

    url: Annotated[Text, Field(max_length=2000, pattern=r"^https?://[^\s]+$")] = Field(
        description="The address. Its host must be within the operator's reach."
    )
    method: Literal["POST", "PUT", "PATCH", "GET"] = Field(default="POST", description="The HTTP method.")
    secret: Annotated[str, Field(strict=True, pattern=r"^[0-9A-Za-z](?:[0-9A-Za-z-]{0,126})$")] | None = Field(
        default=None, description="Name of the secret that is sent as a bearer token."
    )
    signature: SecretRef | None = Field(
        default=None,
        description="Secret with which the call is signed: X-Dynsync-Signature holds t=<seconds since 1970> and "
        "v1=<HMAC-SHA256 of `<t>.<body>` in hexadecimal>.",
    )
    body: AnyText | None = Field(
        default=None, description="The body, JSON with @variables. When left out: the job's id, sync, state and counts."
    )


class SqlStatement(Part):
    """One SQL statement."""

    dialect: Literal["postgresql", "sqlserver", "sqlite"] = Field(description="The kind of database.")
    connection: SecretRef = Field(description="Secret that holds the connection string; for sqlite the file's path.")
    statement: Text = Field(description="The statement; @variables are bound as parameters.")


class Workflow(Part):
    """A classic workflow, started for each row that the job wrote."""

    id: Annotated[str, Field(strict=True, pattern=GUID)] = Field(
        description="The workflow's id; it must be active and allowed to run on demand."
    )
    rows: Annotated[tuple[Literal["created", "updated"], ...], Field(min_length=1)] = Field(
        default=("created", "updated"), description="Which rows: created, updated, or both."
    )


class Chain(Part):
    """Another sync, started as a job of its own."""

    name: Annotated[str, Field(strict=True, max_length=60, pattern=SYNC_NAME)] = Field(description="The sync's name.")
    variables: Mapping[str, Text] = Field(
        default_factory=dict, description="Its variables; texts may hold @variables of this job."
    )


_KINDS = ("action", "function", "workflow", "http", "sql", "sync")


class PostSyncStep(Part):
    """One step after a job. It has exactly one of action, function, workflow, http, sql and sync."""

    name: Annotated[Text, Field(max_length=100)] = Field(description="The step's name, shown in the job's report.")
    when: Literal["succeeded", "failed", "always"] = Field(
        default="succeeded",
        description="After which jobs the step runs: those that came to their end (with rejects, too), those that "
        "failed, or both. After a cancelled job no step runs.",
    )
    timeout_s: Annotated[Count, Field(ge=1, le=300)] = Field(
        default=60, description="Longest time one try of the step may take, in seconds (1 to 300)."
    )
    attempts: Annotated[Count, Field(ge=1, le=5)] = Field(
        default=1,
        description="How often the step is tried while it fails for a passing reason, such as no answer (1 to 5).",
    )
    action: Annotated[Text, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")] | None = Field(
        default=None, description="A Dataverse action (custom API) to call, by its unique name."
    )
    function: Annotated[Text, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")] | None = Field(
        default=None, description="A Dataverse function to call, by its unique name."
    )
    parameters: Mapping[str, ParameterValue] = Field(
        default_factory=dict,
        description="The action's or function's parameters; texts may hold @variables and the job's own: "
        + ", ".join(f"@{name}" for name in JOB_VARIABLES)
        + ".",
    )
    workflow: Workflow | None = Field(default=None, description="A classic workflow.")
    http: HttpCall | None = Field(default=None, description="An HTTP call.")
    sql: SqlStatement | None = Field(default=None, description="A SQL statement.")
    sync: Chain | None = Field(default=None, description="Another sync to start.")

    @property
    def kind(self) -> str:
        """What the step is: the one of its kinds that is there."""
        return next(kind for kind in _KINDS if getattr(self, kind) is not None)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(getattr(self, kind) is not None for kind in _KINDS) != 1:
            raise ValueError(f"needs exactly one of {', '.join(_KINDS[:-1])} and {_KINDS[-1]}; keep one")
        if self.parameters and self.action is None and self.function is None:
            raise ValueError("has parameters without an action or function; remove them")
        return self
