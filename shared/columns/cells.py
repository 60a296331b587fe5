"""One column of the schema in the layers of the query: its steps, its flags, its problems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.columns.casts import Cast, CellNames
from shared.expressions import Expression
from shared.sql import literal
from shared.values.records import RejectType

if TYPE_CHECKING:
    from shared.definitions.schema_column import SchemaColumn

_WANTED = {
    "number": "not a number of at most 28 digits before the point, such as 1234.56",
    "date": "not a date such as 2026-01-31 or 2026-01-31T13:45:00Z",
    "bool": "not a yes or no: true, false, yes, no, y, n, t, f, 1, 0",
    "text": "not a text",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: where `condition` holds, the record has this problem. `found` and `reason` are SQL."""

    column: str | None
    type: RejectType
    condition: str
    found: str
    reason: str
    rejecting: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """One column. Its names in the layers are its number and a letter, so no name of a user's stands inside."""

    number: int
    column: SchemaColumn
    cast: Cast
    names: CellNames
    missing: str | None = None
    """SQL that holds where the record has no such member; None: every record has it."""
    expression: Expression | None = None

    def name(self, letter: str) -> str:
        """The name of one step of this cell."""
        return f"c{self.number}{letter}"

    @property
    def failed(self) -> str | None:
        """SQL that holds where the formula cannot be computed."""
        return self.name("x") if self.expression is not None else None

    @property
    def unparseable(self) -> str | None:
        """SQL that holds where there is a raw value but no typed one."""
        return self.name("b") if self.cast.fallible else None

    @property
    def absent(self) -> str | None:
        """SQL that holds where the cell is absent; None: never."""
        reasons = [self.missing, None if self.column.validated else self.unparseable]
        known = [reason for reason in reasons if reason]
        return f"({' OR '.join(known)})" if known else None

    @property
    def undecided(self) -> list[str]:
        """SQL conditions under which no filter over this cell can be trusted, so the record is rejected."""
        return [condition for condition in (self.failed, self.unparseable) if condition]

    def steps(self) -> list[tuple[str, str]]:
        """Names and SQL in the order in which they build on each other; each in a layer of its own."""
        cast = self.cast
        found = [
            (self.names.prepared, cast.prepared),
            (self.names.instant, cast.instant),
            (self.names.wall, cast.wall),
            (self.names.value, cast.value),
            (self.name("u"), cast.utc),
        ]
        return [(name, sql) for name, sql in found if sql is not None]

    def flags(self) -> list[tuple[str, str]]:
        """Names and SQL of the flags that others build on."""
        if not self.cast.fallible:
            return []
        return [(self.name("b"), f"({self.names.prepared} IS NOT NULL AND {self.names.value} IS NULL)")]

    def checks(self) -> list[Check]:
        """The rules of this column, at most one of which is broken by a record (too long aside)."""
        return [*self._failure(), *self._format(), *self._length(), *self._mandatory()]

    def _failure(self) -> list[Check]:
        if self.failed is None:
            return []
        reason = "the formula has no result for this record (an error, no finite number, or a text too long)"
        return [Check(self.column.label, RejectType.EXPRESSION, self.failed, "NULL", literal(reason), True)]

    def _format(self) -> list[Check]:
        if self.unparseable is None:
            return []
        mask = self.column.input_format
        type_ = RejectType.INPUT_FORMAT if mask else RejectType.INVALID_FORMAT
        reason = f"does not follow the input format {mask}" if mask else _WANTED[self.column.type]
        found = f"left(CAST({self.names.raw} AS VARCHAR), 200)"
        return [Check(self.column.label, type_, self.unparseable, found, literal(reason), self.column.validated)]

    def _length(self) -> list[Check]:
        most = self.column.max_length
        if most is None:
            return []
        value = self.names.value
        reason = f"concat(length({value}), {literal(f' characters; at most {most} are allowed')})"
        return [
            Check(
                self.column.label,
                RejectType.MAX_LENGTH,
                f"length({value}) > {most}",
                f"left({value}, 200)",
                reason,
                True,
            )
        ]

    def _mandatory(self) -> list[Check]:
        if not self.column.mandatory:
            return []
        others = [condition for condition in (self.failed, self.unparseable) if condition]
        condition = " AND ".join([f"{self.names.value} IS NULL", *(f"NOT {other}" for other in others)])
        reason = literal("mandatory and empty")
        if self.missing:
            reason = f"CASE WHEN {self.missing} THEN 'mandatory and absent' ELSE 'mandatory and empty' END"
        return [Check(self.column.label, RejectType.MANDATORY, f"({condition})", "NULL", reason, self.column.validated)]
