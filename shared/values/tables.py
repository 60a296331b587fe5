"""A Dataverse table as its metadata describes it: columns, choices, lookups, keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum


class ColumnKind(StrEnum):
    """The column types that decide how a value is read, compared and written."""

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
    OWNER = "owner"
    UNIQUEIDENTIFIER = "uniqueidentifier"
    UNSUPPORTED = "unsupported"


class DateBehaviour(StrEnum):
    """What a date column means: an instant, a calendar day, or digits without a zone."""

    USER_LOCAL = "UserLocal"
    DATE_ONLY = "DateOnly"
    TIME_ZONE_INDEPENDENT = "TimeZoneIndependent"


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a choice, state, status or two-option column. `state` is the owning state of a status option."""

    value: int
    label: str
    state: int | None = None
    default_status: int | None = None


@dataclass(frozen=True, slots=True)
class LookupTarget:
    """One table a lookup may point at, and the navigation property that binds to it."""

    entity: str
    entity_set: str
    navigation: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `required` is SystemRequired, the only level that the server enforces. Lengths in characters."""

    name: str
    schema_name: str
    kind: ColumnKind
    type_name: str
    label: str = ""
    required: bool = False
    readable: bool = True
    creatable: bool = True
    updatable: bool = True
    max_length: int | None = None
    min_value: Decimal | None = None
    max_value: Decimal | None = None
    precision: int | None = None
    precision_source: int | None = None
    date_behaviour: DateBehaviour | None = None
    options: tuple[Option, ...] = ()
    targets: tuple[LookupTarget, ...] = ()
    primary_id: bool = False

    @property
    def is_lookup(self) -> bool:
        """Whether the column holds a reference to a row."""
        return self.kind in (ColumnKind.LOOKUP, ColumnKind.OWNER)

    @property
    def read_name(self) -> str:
        """The property that carries the value in a reply and in `$select` and `$filter`."""
        return f"_{self.name}_value" if self.is_lookup else self.name


@dataclass(frozen=True, slots=True)
class AlternateKey:
    """A unique key over `columns` (logical names); usable only when its index is active."""

    name: str
    columns: tuple[str, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `columns` is keyed by logical name."""

    name: str
    schema_name: str
    entity_set: str
    id_column: str
    name_column: str | None
    columns: Mapping[str, Column]
    keys: tuple[AlternateKey, ...] = ()
    bulk_create: bool = False
    bulk_update: bool = False
    optimistic_concurrency: bool = True
    change_tracking: bool = False
    elastic: bool = False
    deletable: bool = True

    def key_over(self, columns: set[str]) -> AlternateKey | None:
        """The active alternate key over exactly these columns, if there is one."""
        return next((key for key in self.keys if key.active and set(key.columns) == columns), None)


@dataclass(frozen=True, slots=True)
class Environment:
    """What holds for the whole environment.

    `accent_sensitive` follows from the base language (see `dataverse/collation.py`); `currencies` maps an ISO code
    to (transactioncurrencyid, precision).
    """

    organization_id: str
    base_language: int
    accent_sensitive: bool
    pricing_precision: int = 2
    currencies: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    user_id: str = ""
