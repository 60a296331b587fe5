"""The destination: a Dynamics 365 / Dataverse table."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from shared.definitions.connection import DataverseConnection
from shared.definitions.part import ColumnName, Count, Duration, Flag, ODataFilter, Part, distinct

OnNull = Literal["clear", "keep"]
Guid = Annotated[
    str, Field(strict=True, pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"), AfterValidator(str.lower)
]
Tag = Annotated[str, Field(strict=True, pattern=r"^[0-9A-Za-z][0-9A-Za-z._:-]{0,99}$")]


class Bypass(Part):
    """Custom logic of the environment that this sync's writes do not trigger. Microsoft's own logic always runs."""

    logic: Annotated[tuple[Literal["sync", "async"], ...], AfterValidator(distinct)] = Field(
        default=(),
        description="Custom plug-ins and classic workflows to skip: [sync], [async] or [sync, async]. The application "
        "user needs the privilege prvBypassCustomBusinessLogic.",
    )
    plugins: Flag = Field(
        default=False,
        description="The older bypass: skips synchronous plug-ins and workflows, as logic: [sync] does, for "
        "environments where only the privilege prvBypassCustomPlugins is given.",
    )
    steps: Annotated[tuple[Guid, ...], Field(max_length=10), AfterValidator(distinct)] = Field(
        default=(),
        description="Ids of single plug-in steps to skip (SdkMessageProcessingStep). Dataverse takes three unless an "
        "administrator raised its limit; at most ten. Needs prvBypassCustomBusinessLogic.",
    )
    flows: Flag = Field(
        default=False,
        description="true: Power Automate flows that wait for changes of the table are not started. Needs no privilege "
        "of its own; the flows' owners are not told.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if not (self.logic or self.plugins or self.steps or self.flows):
            raise ValueError("bypasses nothing; name what to skip, or remove bypass")
        if self.plugins and self.logic:
            raise ValueError("has plugins and logic; plugins is the older form of logic: [sync], so keep one of them")
        if self.steps and len(self.logic) == 2:
            raise ValueError("skips all custom logic, so single steps say nothing more; remove steps, or logic")
        return self


class DynamicsDestination(DataverseConnection):
    """A table of a Dynamics 365 / Dataverse environment."""

    type: Literal["dynamics"] = Field(description="The kind of destination.")
    id_column: ColumnName = Field(description="The table's unique id column, for example accountid.")
    id_column_insert: Flag = Field(
        default=False,
        description="false: ids are matched and never written. true: the source's id is written when a row is created.",
    )
    filter: ODataFilter | None = Field(
        default=None, description="OData $filter (without the word $filter): the rows that this sync owns."
    )
    change_tracking: Flag = Field(
        default=False,
        description="true: between two whole reads of the table, only what Dataverse's change tracking tells is read; "
        "the rest is known from the last run. For tables with change tracking switched on and syncs that read their "
        "whole source.",
    )
    full_read_every: Annotated[Duration, Field(ge=timedelta(hours=1))] = Field(
        default=timedelta(days=7),
        json_schema_extra={"default": "7d"},
        description="With change_tracking: after this time the whole table is read again (1h to 366d).",
    )
    on_null: OnNull = Field(
        default="clear",
        description="What a null from the source does: clear empties the column, keep leaves it. "
        "An absent value never clears. A mapping may say otherwise.",
    )
    currency: Annotated[str, Field(strict=True, pattern=r"^[A-Z]{3}$")] | None = Field(
        default=None,
        description="ISO code, three capital letters (EUR), used when a money column is mapped and no currency is.",
    )
    bypass: Bypass | None = Field(
        default=None, description="Custom logic that is skipped while this sync writes. When left out, all of it runs."
    )
    duplicate_detection: Flag = Field(
        default=False,
        description="true: the environment's published duplicate detection rules are asked on every create and update; "
        "a hit is a reject. Needs no privilege. Slower; not for elastic tables.",
    )
    caller: Guid | None = Field(
        default=None,
        description="Entra object id of the user in whose name rows are written: createdby and modifiedby are that "
        "user, and what both may do counts. The application user needs prvActOnBehalfOfAnotherUser. Reading stays the "
        "application user's.",
    )
    tag: Tag | None = Field(
        default=None,
        description="A word (letters, digits, . _ : -) that plug-ins, webhooks and flows see as the shared variable "
        "tag, so that they can leave this sync's own writes alone. Needs no privilege.",
    )
    batch_size: Annotated[Count, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="Cap on the rows of one request (1 to 1000). When left out: as many as take about five seconds, "
        "at most 1000.",
    )
    parallel: Annotated[Count, Field(ge=1, le=256)] | None = Field(
        default=None,
        description="Cap on the requests at a time (1 to 256), of all credentials together. When left out: as many as "
        "make it faster.",
    )
