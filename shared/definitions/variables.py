"""The variables of a sync: asked for when a job starts, or made by a formula."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from shared.definitions.part import AnyText, Flag, Part, Text

VariableName = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Variable(Part):
    """One variable, used as @name. Without default and formula its value must be given when a job starts."""

    description: Annotated[AnyText, Field(max_length=500)] = Field(
        default="", description="What to ask for; shown where a job is started."
    )
    default: AnyText | None = Field(default=None, description="The value when none is given; a text.")
    file: Flag = Field(
        default=False, description="The value is a file handed over with the start; the variable holds its path."
    )
    formula: Text | None = Field(
        default=None,
        description="FILENAME(@file, 'regex') or FILEPATH(@file, 'regex'): the first group of the regular expression "
        "in the file's name or path; GUID(): a new one for each job; ENV('DYNSYNC_VAR_…'): a setting of the app.",
    )

    @property
    def required(self) -> bool:
        """Whether a job cannot start without a value for it."""
        return self.default is None and self.formula is None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.formula is not None and (self.default is not None or self.file):
            raise ValueError("has a formula and also default or file; keep the formula alone")
        return self
