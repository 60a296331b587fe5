"""The tables of the stand-in, as plain values; `definitions` reads them from the table-definition file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class Kind(StrEnum):
    """A column's type, by its name in the table-definition file."""

    TEXT = "text"
    MEMO = "memo"
    INTEGER = "integer"
    BIGINT = "bigint"
    DECIMAL = "decimal"
    DOUBLE = "double"
    MONEY = "money"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    CHOICE = "choice"
    CHOICES = "choices"
    STATE = "state"
    STATUS = "status"
    LOOKUP = "lookup"
    CUSTOMER = "customer"
    OWNER = "owner"
    UNIQUEIDENTIFIER = "uniqueidentifier"


REFERENCES = frozenset((Kind.LOOKUP, Kind.CUSTOMER, Kind.OWNER))
TEXTS = frozenset((Kind.TEXT, Kind.MEMO))
WHOLE_OPTIONS = frozenset((Kind.CHOICE, Kind.STATE, Kind.STATUS))
MONEY_SCALE = 4
"""Digits that a money column keeps, as in SQL Server's own money type."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option; `state` is the state that owns a status option."""

    value: int
    label: str
    state: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One table a lookup may point at: the navigation property that binds to it, and what a delete there does.

    `restrict` refuses the delete, `cascade` deletes the pointing rows too; neither removes the link. `relationship` is
    also the collection-valued navigation property of the other side.
    """

    table: str
    navigation: str
    relationship: str
    restrict: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `required` is a RequiredLevel; lengths in characters; `base_of` names the money column it follows."""

    name: str
    schema_name: str
    kind: Kind
    label: str
    required: str = "None"
    creatable: bool = True
    updatable: bool = True
    max_length: int | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    precision: int | None = None
    precision_source: int | None = None
    behaviour: str | None = None
    date_only_format: bool = False
    options: tuple[Option, ...] = ()
    default: int | bool | None = None
    targets: tuple[Target, ...] = ()
    primary_id: bool = False
    primary_name: bool = False
    base_of: str | None = None
    custom: bool = False

    @property
    def is_lookup(self) -> bool:
        """Whether the column holds a reference to a row."""
        return self.kind in REFERENCES

    @property
    def is_polymorphic(self) -> bool:
        """Whether the reference may point at more than one table."""
        return len(self.targets) > 1

    @property
    def read_name(self) -> str:
        """The property that carries the value in a reply, in `$select` and in `$filter`."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def scale(self) -> int:
        """Digits kept behind the point, for decimal and money."""
        return MONEY_SCALE if self.kind is Kind.MONEY else (self.precision or 0)


@dataclass(frozen=True, slots=True)
class Key:
    """An alternate key; it works only when `state` is Active."""

    name: str
    schema_name: str
    label: str
    columns: tuple[str, ...]
    state: str = "Active"

    @property
    def active(self) -> bool:
        """Whether rows can be addressed by it, and are kept unique by it."""
        return self.state == "Active"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a relationship of many to many: the table, its column among the pairs, its navigation property."""

    table: str
    column: str
    navigation: str


@dataclass(frozen=True, slots=True)
class ManyToMany:
    """A relationship of many rows to many; `intersect` is the table that keeps the pairs."""

    schema_name: str
    intersect: str
    first: Side
    second: Side


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `columns` by logical name, `navigations` by navigation property, `seeds` in the API's write form.

    An `elastic` table is kept in partitions: a bulk message there may succeed in part, and nothing is rolled back.
    """

    name: str
    schema_name: str
    entity_set: str
    label: str
    id_column: str
    name_column: str
    type_code: int
    ownership: str
    columns: Mapping[str, Column]
    keys: tuple[Key, ...] = ()
    bulk: bool = True
    optimistic: bool = True
    change_tracking: bool = True
    custom: bool = False
    elastic: bool = False
    seeds: tuple[Mapping[str, object], ...] = ()
    readable: Mapping[str, Column] = field(default_factory=dict)
    navigations: Mapping[str, tuple[Column, tuple[Target, ...]]] = field(default_factory=dict)

    @property
    def has_owner(self) -> bool:
        """Whether rows belong to a user or a team."""
        return self.ownership == "UserOwned"

    @property
    def money(self) -> tuple[Column, ...]:
        """The money columns that carry values of their own (not the base ones)."""
        return tuple(c for c in self.columns.values() if c.kind is Kind.MONEY and c.base_of is None)

    def key_over(self, columns: set[str]) -> Key | None:
        """The active alternate key over exactly these columns."""
        return next((key for key in self.keys if key.active and set(key.columns) == columns), None)


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables, by logical name and by entity set, and the relationships of many to many."""

    by_name: Mapping[str, Table]
    by_set: Mapping[str, Table]
    pairs: tuple[ManyToMany, ...] = ()

    @classmethod
    def of(cls, tables: Sequence[Table], pairs: Sequence[ManyToMany] = ()) -> Tables:
        """Tables indexed both ways."""
        return cls({t.name: t for t in tables}, {t.entity_set: t for t in tables}, tuple(pairs))
