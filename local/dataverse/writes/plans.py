"""What a body's members mean for a table: worked out once per set of members, then used for every row that has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from local.dataverse import refusals
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Column, Table, Target
from local.dataverse.values import Check, check_of

Row = Mapping[str, object]
TYPE = "@odata.type"


@dataclass(frozen=True, slots=True)
class Group:
    """Rows with the same members: `positions` in the request, `values` one sequence per member."""

    members: tuple[str, ...]
    positions: Sequence[int]
    values: Sequence[Sequence[object]]


@dataclass(frozen=True, slots=True)
class Scalar:
    """A member that is a column's value; `at` is its place among the members."""

    at: int
    column: Column
    check: Check


@dataclass(frozen=True, slots=True)
class Link:
    """A member that binds a lookup (or clears it: always None)."""

    at: int
    column: Column
    targets: tuple[Target, ...]
    bind: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """The members of a group of rows, understood; `typed` is the place of the member that says their type."""

    scalars: tuple[Scalar, ...]
    links: tuple[Link, ...]
    typed: int | None


def grouped(rows: Sequence[Row]) -> list[Group]:
    """Rows by their members, in the order in which each set of members first appears."""
    places: dict[tuple[str, ...], list[int]] = {}
    for position, row in enumerate(rows):
        places.setdefault(tuple(row), []).append(position)
    if len(places) == 1:
        ((members, positions),) = places.items()
        return [Group(members, positions, list(zip(*[row.values() for row in rows], strict=True)))]
    return [
        Group(members, positions, list(zip(*[rows[p].values() for p in positions], strict=True)))
        for members, positions in places.items()
    ]


class Planner:
    """Plans for one table and one verb; understood sets of members are kept, within bounds."""

    def __init__(self, table: Table, *, creating: bool) -> None:
        self._table = table
        self._creating = creating
        self.plan = lru_cache(maxsize=512)(self._plan)

    def _plan(self, members: tuple[str, ...]) -> Plan:
        scalars: list[Scalar] = []
        links: list[Link] = []
        for at, member in enumerate(members):
            meant = self._meaning(at, member)
            if isinstance(meant, Scalar):
                scalars.append(meant)
            elif meant is not None:
                links.append(meant)
        typed = members.index(TYPE) if TYPE in members else None
        return Plan(tuple(scalars), tuple(links), typed)

    def _meaning(self, at: int, member: str) -> Scalar | Link | None:
        if "@" in member:
            name, _, annotation = member.partition("@")
            return self._link(at, name, bind=True) if name and annotation == "odata.bind" else None
        column = self._table.columns.get(member)
        if column is None or column.is_lookup:
            return self._reference(at, member)
        writable = column.creatable if self._creating else column.updatable
        if not writable or (column.primary_id and not self._creating):
            return None
        return Scalar(at, column, check_of(self._table.name, column))

    def _reference(self, at: int, member: str) -> Link | None:
        if member in self._table.navigations:
            return self._link(at, member, bind=False)
        if member in self._table.readable:
            raise Refusal(
                400,
                "0x80060888",
                "CRM do not support direct update of Entity Reference properties, Use Navigation properties instead.",
                in_payload=True,
            )
        raise refusals.unknown_property(self._table.name, member)

    def _link(self, at: int, name: str, *, bind: bool) -> Link | None:
        found = self._table.navigations.get(name)
        if found is None:
            raise refusals.undeclared_navigation(self._table.name, name)
        column, targets = found
        writable = column.creatable if self._creating else column.updatable
        return Link(at, column, targets, bind) if writable else None
