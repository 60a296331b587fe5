"""The destination: a Dynamics 365 / Dataverse table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.definitions.connection import DataverseConnection
from shared.definitions.part import ColumnName, Count, Flag, ODataFilter

OnNull = Literal["clear", "keep"]


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
    on_null: OnNull = Field(
        default="clear",
        description="What a null from the source does: clear empties the column, keep leaves it. "
        "An absent value never clears. A mapping may say otherwise.",
    )
    currency: Annotated[str, Field(strict=True, pattern=r"^[A-Z]{3}$")] | None = Field(
        default=None, description="ISO code (EUR) used when a money column is mapped and no currency is."
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
