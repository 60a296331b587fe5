"""Rights in an environment: what a sync needs, what a user has, and what was found about both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Access(StrEnum):
    """What may be done with the rows of a table, in Dataverse's words (`PrivilegeType`)."""

    CREATE = "Create"
    READ = "Read"
    WRITE = "Write"
    DELETE = "Delete"
    APPEND = "Append"
    APPEND_TO = "AppendTo"
    ASSIGN = "Assign"


class Depth(StrEnum):
    """Whose rows a privilege reaches: own, the business unit's, those below it too, everybody's. Ascending."""

    BASIC = "Basic"
    LOCAL = "Local"
    DEEP = "Deep"
    GLOBAL = "Global"


DEPTHS = tuple(Depth)
"""From the shallowest on."""


@dataclass(frozen=True, slots=True)
class Privilege:
    """One privilege of a table, as its metadata has it."""

    id: str
    name: str
    access: str


@dataclass(frozen=True, slots=True)
class Held:
    """The privileges of a user: the deepest depth by name and by id, in small letters."""

    depths: Mapping[str, Depth]

    def depth(self, *names: str) -> Depth | None:
        """How deep a privilege reaches, by its id or its name; None when the user has none."""
        return next((self.depths[name.lower()] for name in names if name.lower() in self.depths), None)


@dataclass(frozen=True, slots=True)
class ColumnRights:
    """What a user may do with a secured column."""

    read: bool = False
    create: bool = False
    update: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """That a sync needs an access to a table, and why, as half a sentence."""

    table: str
    access: Access
    why: str


@dataclass(frozen=True, slots=True)
class NamedNeed:
    """A privilege that belongs to no table, by its name."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Needs:
    """All that one sync needs. Columns are of its own table, by logical name; `columns_looked_up` are the words that
    may be columns of the tables that links lead to."""

    tables: tuple[Need, ...]
    named: tuple[NamedNeed, ...]
    columns_read: frozenset[str]
    columns_created: frozenset[str]
    columns_updated: frozenset[str]
    columns_looked_up: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Grade(StrEnum):
    """How a finding stands: as it should be, worth knowing, worth doing something about, in the way."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what was found, and what to do about it."""

    area: str
    grade: Grade
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """One line of a security role. `id` is '' for a privilege that the environment does not have."""

    table: str
    access: str
    name: str
    id: str
    depth: Depth
    why: str


@dataclass(frozen=True, slots=True)
class Role:
    """The least that the syncs of one environment need, and the business unit that a role's privileges name."""

    service_url: str
    syncs: tuple[str, ...]
    business_unit_id: str
    grants: tuple[Grant, ...]
