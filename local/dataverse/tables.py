"""The tables of the stand-in, as plain values; `definitions` reads them from the table-definition file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from local.dataverse.relationships import Collection, collections_of


class Kind(StrEnum):
    """A column's type, by its name in the table-definition file.

    Its words resemble those of `shared.values.tables.ColumnKind`, and are not the same: this is what the platform
    tells apart (a customer is no plain lookup, a file no image), that is what the client treats differently. The
    stand-in shares no meaning with the client it tests, or a mistake of one would be hidden by the other.
    """

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
    FILE = "file"
    IMAGE = "image"


REFERENCES = frozenset((Kind.LOOKUP, Kind.CUSTOMER, Kind.OWNER))
TEXTS = frozenset((Kind.TEXT, Kind.MEMO))
WHOLE_OPTIONS = frozenset((Kind.CHOICE, Kind.STATE, Kind.STATUS))
CONTENTS = frozenset((Kind.FILE, Kind.IMAGE))
"""Columns whose content is sent by itself; no body of a row can set them."""
MONEY_SCALE = 4
"""Digits that a money column keeps, as in SQL Server's own money type."""


Labels = tuple[tuple[int, str], ...]
"""Texts in languages other than the base language: (language code, text)."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option; `state` is the state that owns a status option."""

    value: int
    label: str
    state: int | None = None
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class OptionSet:
    """A global option set: columns of any table take their options from it, by `name`."""

    name: str
    label: str
    options: tuple[Option, ...]
    labels: Labels = ()
    custom: bool = True


@dataclass(frozen=True, slots=True)
class Target:
    """One table a lookup may point at: the relationship, the navigation property that binds to it, what a delete does.

    `restrict` refuses the delete of the row that is pointed at, `cascade` deletes the pointing rows too; neither
    removes the link. `collection` is the navigation property on the other side (default: the relationship's name).
    """

    table: str
    navigation: str
    relationship: str
    restrict: bool = False
    cascade: bool = False
    collection: str = ""
    custom: bool = False

    @property
    def delete(self) -> str:
        """What a delete does, as CascadeConfiguration says it."""
        return "Restrict" if self.restrict else "Cascade" if self.cascade else "RemoveLink"

    @property
    def collection_name(self) -> str:
        """The collection-valued navigation property of the table that is pointed at."""
        return self.collection or self.relationship


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `required` is a RequiredLevel; lengths in characters; `base_of` names the money column it follows.

    `text_format` is a FormatName (Text, Email, Url, Phone, TextArea …), `option_set` the global option set that the
    options come from, `max_size_kb` the largest content of a file or image, `attribute_of` the column that this one
    comes and goes with.
    """

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
    text_format: str | None = None
    option_set: str | None = None
    description: str = ""
    labels: Labels = ()
    max_size_kb: int | None = None
    attribute_of: str | None = None

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
    labels: Labels = ()

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
    custom: bool = True


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
    collection_label: str = ""
    description: str = ""
    labels: Labels = ()

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

    def changed(self, **changes: Any) -> Table:
        """This table with other members; what follows from its columns follows."""
        table = replace(self, **changes)
        columns = table.columns.values()
        readable = {c.read_name: c for c in columns}
        return replace(table, readable=readable, navigations=navigations_of(columns))


def navigations_of(columns: Iterable[Column]) -> dict[str, tuple[Column, tuple[Target, ...]]]:
    """The single-valued navigation properties that lookups give, with the column and the targets of each."""
    found: dict[str, tuple[Column, tuple[Target, ...]]] = {}
    for column in columns:
        for target in column.targets:
            found[target.navigation] = (column, (*found.get(target.navigation, (column, ()))[1], target))
    return found


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables, by logical name and by entity set, and what stands between and beside them.

    `pairs` are the relationships of many to many, `option_sets` the global ones by name, `collections` the
    collection-valued navigation properties: by table, then by property.
    """

    by_name: Mapping[str, Table]
    by_set: Mapping[str, Table]
    pairs: tuple[ManyToMany, ...] = ()
    option_sets: Mapping[str, OptionSet] = field(default_factory=dict)
    collections: Mapping[str, Mapping[str, Collection]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, tables: Iterable[Table], pairs: Iterable[ManyToMany] = (), option_sets: Iterable[OptionSet] = ()
    ) -> Tables:
        """Tables indexed in every way."""
        tables, pairs = tuple(tables), tuple(pairs)
        return cls(
            by_name={t.name: t for t in tables},
            by_set={t.entity_set: t for t in tables},
            pairs=pairs,
            option_sets={option_set.name: option_set for option_set in option_sets},
            collections=collections_of(tables, pairs),
        )

    def with_tables(self, *changed: Table) -> Tables:
        """These tables with some added or replaced."""
        tables = dict(self.by_name) | {table.name: table for table in changed}
        return Tables.of(tables.values(), self.pairs, self.option_sets.values())

    def with_pair(self, pair: ManyToMany) -> Tables:
        """These tables with one more relationship of many to many."""
        return Tables.of(self.by_name.values(), (*self.pairs, pair), self.option_sets.values())

    def with_option_set(self, changed: OptionSet) -> Tables:
        """These tables with a global option set added or replaced."""
        option_sets = dict(self.option_sets) | {changed.name: changed}
        return Tables.of(self.by_name.values(), self.pairs, option_sets.values())
