"""Which source column fills which destination column, and how lookups are found."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, Tag, WithJsonSchema, model_validator

from shared.definitions.destination import OnNull
from shared.definitions.part import ColumnName, ODataFilter, OneOrMore, Part, Text, choose

Missing = Literal["reject", "null", "defer"]


class EntityFromColumn(Part):
    """The lookup's table is named by a source column (polymorphic lookups)."""

    source: ColumnName = Field(description="The source column that holds the table's name, record by record.")


LinkEntity = Annotated[
    Annotated[Text, Tag("<name>")] | Annotated[EntityFromColumn, Tag("<column>")],
    choose(word="<name>", source="<column>"),
]


def _null_word(value: object) -> object:
    return "null" if value is None else value


class Link(Part):
    """How a lookup finds its row: by the columns of the linked table that hold the source's values."""

    entity: LinkEntity = Field(description="The linked table, or { source: <column> } when a source column names it.")
    columns: OneOrMore = Field(
        alias="column",
        description="The linked table's column that holds the source's value; a list when the source is a list.",
    )
    where: ODataFilter | None = Field(default=None, description="OData $filter: which rows of the linked table count.")
    missing: Annotated[
        Missing,
        BeforeValidator(_null_word),
        WithJsonSchema({"enum": ["reject", "null", "defer", None]}),
    ] = Field(
        default="reject",
        description="No row is found. reject: the record is set aside; null: the lookup is null; "
        "defer: the record is written without it, and the lookup is filled in a second step when the job itself "
        "creates the row (parents of the same table, in any order and in circles). What no record brings is told among "
        "the rejects, and the lookup is left as it is.",
    )
    ambiguous: Literal["reject"] = Field(
        default="reject", description="Several rows are found: the record is set aside, no row is guessed."
    )

    @property
    def column(self) -> str | None:
        """The one column of the linked table; None when there are several."""
        return self.columns[0] if len(self.columns) == 1 else None


class ColumnMapping(Part):
    """One mapping: source column → destination column."""

    sources: OneOrMore = Field(
        alias="source", description="The source column; a list for a lookup that is found by several columns."
    )
    target: ColumnName = Field(description="The destination column's logical name.")
    link: Link | None = Field(default=None, description="For a lookup: how its row is found.")
    on_null: OnNull | None = Field(
        default=None, description="What a null does here: clear or keep. When left out, the destination's on_null."
    )

    @property
    def source(self) -> str | None:
        """The one source column; None when there are several."""
        return self.sources[0] if len(self.sources) == 1 else None

    @model_validator(mode="after")
    def _as_many_sources_as_columns(self) -> Self:
        wanted = 1 if self.link is None else len(self.link.columns)
        if len(self.sources) == wanted:
            return self
        if self.link is None:
            raise ValueError("has several source columns and no link; only a lookup may have several")
        given = "1 source column" if len(self.sources) == 1 else f"{len(self.sources)} source columns"
        raise ValueError(f"has {given} but the link {wanted}; give as many of each")
