"""What happens after a job: a Dataverse action, an HTTP call or a SQL statement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from shared.definitions.part import AnyText, Count, Part, SecretRef, Text


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
    body: AnyText | None = Field(
        default=None, description="The body, JSON with @variables. When left out: the job's id, sync, state and counts."
    )


class SqlStatement(Part):
    """One SQL statement."""

    connection: SecretRef = Field(description="Secret that holds the connection string.")
    statement: Text = Field(description="The statement; @variables are bound as parameters.")


class PostSyncStep(Part):
    """One step after a job. It has exactly one of action, http and sql."""

    name: Annotated[Text, Field(max_length=100)] = Field(description="The step's name, shown in the job's report.")
    when: Literal["succeeded", "failed", "always"] = Field(
        default="succeeded", description="After which jobs the step runs."
    )
    timeout_s: Annotated[Count, Field(ge=1, le=300)] = Field(
        default=60, description="Longest time the step may take, in seconds (1 to 300)."
    )
    action: Annotated[Text, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")] | None = Field(
        default=None, description="A Dataverse action (custom API) to call, by its unique name."
    )
    parameters: Mapping[str, ParameterValue] = Field(
        default_factory=dict, description="The action's parameters; texts may hold @variables and @job_id."
    )
    http: HttpCall | None = Field(default=None, description="An HTTP call.")
    sql: SqlStatement | None = Field(default=None, description="A SQL statement.")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if sum(kind is not None for kind in (self.action, self.http, self.sql)) != 1:
            raise ValueError("needs exactly one of action, http and sql; keep one")
        if self.parameters and self.action is None:
            raise ValueError("has parameters without an action; remove them")
        return self
