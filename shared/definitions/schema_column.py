"""One column of a source: its type, the rules its values must keep, and how a calculated one is made."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.definitions.part import AnyText, ColumnName, Count, Expression, Flag, Part, Text

ColumnType = Literal["text", "number", "date", "bool"]


class Replacement(Part):
    """One replacement in a text column."""

    pattern: Annotated[Text, Field(max_length=1000)] = Field(
        description="Regular expression (RE2); every place where it matches is replaced."
    )
    replacement: AnyText = Field(
        default="", alias="with", description=r"What stands there afterwards; \1 is the first group. May be empty."
    )


class Case(Part):
    """One condition of a conditional column, and its value."""

    when: Expression = Field(description="Condition: an expression over the source's columns.")
    then: Expression = Field(description="The value when this condition is the first that holds: an expression.")


class SchemaColumn(Part):
    """One column of the source."""

    name: ColumnName = Field(
        description="The column's name in the source: header, field, member (a dotted path in JSON), or SQL column."
    )
    alias: ColumnName | None = Field(
        default=None, description="Another name, by which mappings, keys, filters and formulas know the column."
    )
    description: Annotated[AnyText, Field(max_length=500)] = Field(
        default="", description="A note for people; at most 500 characters."
    )
    type: ColumnType = Field(
        default="text", description="How values are read and compared. Codes with leading zeros are text."
    )
    mandatory: Flag = Field(
        default=False,
        description="An empty value is reported. Together with `validate` the record is rejected, "
        "alone it is kept and the job finishes with errors.",
    )
    validated: Flag = Field(
        default=False,
        alias="validate",
        description="A record whose value has the wrong type, length or format is rejected. "
        "Without it such a value counts as absent: it is neither written nor cleared.",
    )
    max_length: Annotated[Count, Field(ge=1, le=1_048_576)] | None = Field(
        default=None, description="Longest value allowed, in characters; text columns only."
    )
    trim: Flag = Field(
        default=False, description="Remove blanks and non-printing characters at both ends; text columns only."
    )
    input_format: Annotated[Text, Field(max_length=100)] | None = Field(
        default=None,
        description="How dates are written, in strptime marks such as %d/%m/%Y (not dd/mm/yyyy); date columns only.",
    )
    width: Annotated[Count, Field(ge=1, le=32_767)] | None = Field(
        default=None, description="Width in characters; needed for every column of a fixed-width file, only there."
    )
    replace: Annotated[tuple[Replacement, ...], Field(max_length=50)] = Field(
        default=(), description="Replacements by regular expression, one after another; text columns only."
    )
    formula: Expression | None = Field(
        default=None, description="Makes this a calculated column: an expression over the other columns."
    )
    cases: Annotated[tuple[Case, ...], Field(max_length=100)] = Field(
        default=(), description="Makes this a conditional column: the first case whose condition holds gives the value."
    )
    otherwise: Expression | None = Field(
        default=None, description="The value of a conditional column when no case holds; without it, null."
    )

    @property
    def label(self) -> str:
        """The name by which the rest of the definition knows the column."""
        return self.alias or self.name

    @property
    def calculated(self) -> bool:
        """Whether the column is made by a formula or cases instead of read."""
        return self.formula is not None or bool(self.cases)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.formula is not None and (self.cases or self.otherwise is not None):
            raise ValueError("has both a formula and cases; keep one of them")
        if self.otherwise is not None and not self.cases:
            raise ValueError("has `otherwise` without `cases`; add cases, or write a formula")
        if self.type != "text" and (self.max_length or self.trim or self.replace):
            raise ValueError(f"is of type {self.type}; max_length, trim and replace are for text columns")
        if self.type != "date" and self.input_format is not None:
            raise ValueError(f"is of type {self.type}; input_format is for date columns")
        return self
