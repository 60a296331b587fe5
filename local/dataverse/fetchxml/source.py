"""The tables of a FetchXML query: its entity, what is linked to it, and the conditions on all of them, as SQL."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from local.dataverse.conditions import compiling
from local.dataverse.conditions.compiling import Context
from local.dataverse.conditions.operators import BY_NAME
from local.dataverse.conditions.seen import Seen
from local.dataverse.fetchxml import faults
from local.dataverse.fetchxml.model import Condition, Entity, Filter
from local.dataverse.odata.filters import balanced
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Table, Tables
from shared.sql import identifier

_COMPARISONS = frozenset(("eq", "ne", "neq", "gt", "ge", "lt", "le"))
_ORDINARY = frozenset(("inner", "outer"))


@dataclass(frozen=True, slots=True)
class Place:
    """One table of the query: `sql` is its alias there, `name` its alias in the query."""

    sql: str
    name: str
    table: Table
    entity: Entity

    def column(self, name: str) -> Seen:
        """A column by logical name.

        Raises:
            Refusal: there is none.
        """
        column = self.table.columns.get(name)
        if column is None:
            raise faults.no_attribute(self.table.name, name)
        return Seen(self.sql, self.table, column)


@dataclass(slots=True)
class Source:
    """The FROM and WHERE of a query. `places` are what its columns and orders can name, the entity itself first."""

    tables: Tables
    context: Context
    places: list[Place] = field(default_factory=list)
    clause: str = ""
    tests: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    @classmethod
    def of(cls, tables: Tables, context: Context, entity: Entity) -> Source:
        """The source of a query.

        Raises:
            Refusal: a table, a column, an alias or an operator is none.
        """
        source = cls(tables, context)
        root = source._placed(entity)
        source._place_links(root)
        source.clause = source._from(root)
        source.tests += source._conditions(root)
        return source

    @property
    def where(self) -> str:
        """The WHERE clause."""
        return f"WHERE {' AND '.join(self.tests)}" if self.tests else ""

    def place(self, name: str | None) -> Place:
        """The place of an alias; the entity itself without one.

        Raises:
            Refusal: there is no such alias.
        """
        if name is None:
            return self.places[0]
        found = [p for p in self.places if p.name == name] or [p for p in self.places if p.table.name == name]
        if not found:
            raise faults.unknown_alias(name)
        return found[0]

    def _placed(self, entity: Entity) -> Place:
        table = self.tables.by_name.get(entity.name)
        if table is None:
            raise faults.no_entity(entity.name)
        number = next(self._numbers)
        name = entity.alias or (entity.name if number == 0 else f"{entity.name}{number}")
        if any(place.name == name for place in self.places):
            raise faults.bad_alias(name)
        place = Place(f"f{number}", name, table, entity)
        self.places.append(place)
        return place

    def _place_links(self, place: Place) -> None:
        for link in place.entity.links:
            if link.join is not None and link.join.kind in _ORDINARY:
                self._place_links(self._placed(link))

    def _from(self, place: Place) -> str:
        """A table with its links; a link and its own links stand in brackets, so an outer join leaves all out."""
        own = f"{identifier(place.table.name)} AS {place.sql}"
        joins = []
        for link in place.entity.links:
            if link.join is not None and link.join.kind in _ORDINARY:
                child = next(p for p in self.places if p.entity is link)
                word = "LEFT JOIN" if link.join.kind == "outer" else "JOIN"
                tests = [self._joined(place, child), *self._conditions(child)]
                inner = self._from(child)
                inner = f"({inner})" if child.entity.links else inner
                joins.append(f" {word} {inner} ON {' AND '.join(tests)}")
        return own + "".join(joins)

    def _joined(self, outer: Place, child: Place) -> str:
        join = child.entity.join
        if join is None:
            raise faults.invalid("A link needs from and to.")
        return f"{child.column(join.own).equal} = {outer.column(join.outer).equal}"

    def _conditions(self, place: Place) -> list[str]:
        tests = [self._filter(each, place) for each in place.entity.filters]
        for link in place.entity.links:
            if link.join is not None and link.join.kind not in _ORDINARY:
                tests.append(self._related(link, place))
        return tests

    def _filter(self, found: Filter, place: Place) -> str:
        tests = []
        for part in found.parts:
            if isinstance(part, Condition):
                tests.append(self._condition(part, place))
            elif isinstance(part, Filter):
                tests.append(self._filter(part, place))
            else:
                tests.append(self._related(part, place))
        return balanced(tests, " OR " if found.either else " AND ") if tests else "1"

    def _condition(self, found: Condition, place: Place) -> str:
        seen = (self.place(found.entity) if found.entity else place).column(found.attribute)
        operator = BY_NAME[found.operator].name
        try:
            if found.valueof is not None:
                return self._columns(seen, operator, found.valueof, place)
            values = compiling.texts(seen, operator, found.values)
            return compiling.condition(self.context, seen, operator, values)
        except Refusal as refusal:
            raise refusal if refusal.code != "0x80060888" else faults.bad_value(refusal.message) from None

    def _columns(self, seen: Seen, operator: str, valueof: str, place: Place) -> str:
        if operator not in _COMPARISONS:
            raise faults.bad_operator(operator)
        alias, dot, name = valueof.rpartition(".")
        other = (self.place(alias) if dot else place).column(name)
        return compiling.columns(operator, seen, other)

    def _related(self, link: Entity, outer: Place) -> str:
        """Whether related rows exist; `all` finds rows with related ones of which none passes, as the service does."""
        join = link.join
        if join is None:
            raise faults.invalid("A link needs from and to.")
        inner = Source(self.tables, self.context, [*self.places], _numbers=self._numbers)
        child = inner._placed(link)
        inner._place_links(child)
        joined = inner._joined(outer, child)
        start = f"SELECT 1 FROM {inner._from(child)} WHERE "
        passing = f"EXISTS ({start}{' AND '.join([joined, *inner._conditions(child)])})"
        if join.kind == "not any":
            return f"(NOT {passing})"
        if join.kind == "all":
            return f"(EXISTS ({start}{joined}) AND NOT {passing})"
        return f"({passing})"
