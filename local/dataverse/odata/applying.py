"""`$apply`: filters, then one grouping or one aggregation of what they leave.

Source: Microsoft Learn, "Aggregate data using OData", read November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.dataverse import refusals
from local.dataverse.conditions import aggregates
from local.dataverse.conditions.seen import Seen
from local.dataverse.messages import Reply, json_reply
from local.dataverse.odata import reading
from local.dataverse.odata.expands import split
from local.dataverse.odata.options import MAX_PAGE, Options
from local.dataverse.odata.queries import Asked, Plan, Reader
from local.dataverse.odata.reading import Member
from local.dataverse.odata.syntax import parse
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Kind, Table

MAX_SOURCE = 50_000
_STEP = re.compile(r"\s*(filter|groupby|aggregate)\s*\((.*)\)\s*", re.DOTALL)
_GROUPS = re.compile(r"\s*\(([^()]*)\)\s*(?:,\s*aggregate\s*\((.*)\)\s*)?", re.DOTALL)
_MEASURE = re.compile(r"\s*([\w/]+)\s+with\s+(\w+)\s+as\s+([A-Za-z_]\w*)\s*")
_COUNTED = re.compile(r"\s*\$count\s+as\s+([A-Za-z_]\w*)\s*")
_METHODS = {"sum": "sum", "min": "min", "max": "max", "average": "avg", "countdistinct": "distinct"}


@dataclass(frozen=True, slots=True)
class Measure:
    """One aggregate: of a column (none: of the rows), by a method, under a name."""

    method: str
    alias: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Transformation:
    """A whole `$apply`."""

    filters: tuple[str, ...]
    groups: tuple[str, ...]
    measures: tuple[Measure, ...]


def answer(reader: Reader, table: Table, asked: Asked) -> Reply:
    """The groups of a table.

    Raises:
        Refusal: the transformation cannot be understood, or too many rows go into it.
    """
    options = asked.options
    found = transformation(options.apply or "")
    if options.select or options.expand or options.skiptoken is not None:
        raise refusals.query("The query options $select, $expand and $skiptoken cannot be combined with $apply.")
    plan = reader.plan(table, options.filter, options)
    plan.tests += [plan.compiler.test(parse(text, options.aliases)) for text in found.filters]
    groups = [(path, plan.scope.column(tuple(path.split("/")))) for path in found.groups]
    members = [member for path, seen in groups for member in _grouped(plan, path, seen, asked)]
    measured = [_measured(plan, measure) for measure in found.measures]
    check_source(reader, plan)
    statement = _statement(plan, [*members, *measured], groups, options)
    rows = reading.rows(reader.run(statement, plan.compiler.context.values), [*members, *measured])
    document: dict[str, object] = {"@odata.context": f"{asked.root}$metadata#{table.entity_set}", "value": rows}
    if options.count:
        document["@odata.count"] = len(rows)
    return json_reply(document, message="RetrieveMultiple", rows=len(rows))


def transformation(text: str) -> Transformation:
    """A `$apply` as a value.

    Raises:
        Refusal: it cannot be understood.
    """
    steps = [_STEP.fullmatch(step) for step in split(text, "/")]
    filters: list[str] = []
    for number, step in enumerate(steps):
        if step is None:
            raise refusals.query(f"The $apply expression '{text[:100]}' is not valid.")
        if step[1] == "filter":
            filters.append(step[2])
        elif number != len(steps) - 1:
            raise refusals.query("Only filters may stand before the one groupby or aggregate of a $apply.")
        else:
            return _last(step[1], step[2], tuple(filters))
    raise refusals.query("The $apply expression needs a groupby or an aggregate.")


def check_source(reader: Reader, plan: Plan) -> None:
    """Lets no more rows into an aggregation than the service does.

    Raises:
        Refusal: they are more.
    """
    inner = f"SELECT 1 FROM {plan.scope.source()} {plan.where} LIMIT {MAX_SOURCE + 1}"
    if int(str(reader.run(f"SELECT count(*) FROM ({inner})", plan.compiler.context.values)[0][0])) > MAX_SOURCE:
        raise too_many_rows()


def too_many_rows() -> Refusal:
    """More rows than an aggregation may read."""
    return Refusal(
        400,
        "0x8004e023",
        "AggregateQueryRecordLimit exceeded. Cannot perform this operation. "
        f"The maximum record limit of {MAX_SOURCE} is exceeded. Reduce the number of records.",
    )


def _last(word: str, text: str, filters: tuple[str, ...]) -> Transformation:
    if word == "aggregate":
        return Transformation(filters, (), _measures(text))
    found = _GROUPS.fullmatch(text)
    groups = tuple(path.strip() for path in found[1].split(",") if path.strip()) if found else ()
    if found is None or not groups:
        raise refusals.query(f"The groupby '{text[:100]}' is not valid: groupby((a,b),aggregate(…)) is needed.")
    return Transformation(filters, groups, _measures(found[2]) if found[2] is not None else ())


def _measures(text: str) -> tuple[Measure, ...]:
    found = tuple(_measure(part) for part in split(text, ","))
    names = [measure.alias for measure in found]
    if not found or len(set(names)) < len(names):
        raise refusals.query("An aggregate needs expressions, each with a name of its own.")
    return found


def _measure(part: str) -> Measure:
    counted = _COUNTED.fullmatch(part)
    if counted is not None:
        return Measure("count", counted[1])
    found = _MEASURE.fullmatch(part)
    if found is None or found[2] not in _METHODS:
        allowed = ", ".join(_METHODS)
        raise refusals.query(f"The aggregate '{part.strip()[:100]}' is not valid; the methods are {allowed}.")
    return Measure(_METHODS[found[2]], found[3], found[1])


def _grouped(plan: Plan, path: str, seen: Seen, asked: Asked) -> list[Member]:
    """A column to group by, with its annotations; one of another row is named after that row's table."""
    if seen.column.kind is Kind.DATETIME:
        raise refusals.query(f"Grouping by the date '{path}' is not supported.")
    name = f"{seen.table.name}_{seen.column.read_name}" if "/" in path else seen.column.read_name
    tables = plan.scope.tables
    return reading.members(tables, seen.table, [seen.column], asked.preferences, seen.alias, name=name)


def _measured(plan: Plan, measure: Measure) -> Member:
    seen = plan.scope.column(tuple(measure.path.split("/"))) if measure.path else None
    return aggregates.member(measure.method, seen, measure.alias)


def _statement(plan: Plan, members: list[Member], groups: list[tuple[str, Seen]], options: Options) -> str:
    terms = ", ".join(member.term for member in members)
    by = ", ".join(seen.equal for _, seen in groups)
    known = dict(groups)
    orders = []
    for path, down in options.orderby:
        if path not in known:
            raise refusals.query(f"$orderby '{path}' is none of the columns of the groupby.")
        orders.append(f"{known[path].ordered}{' DESC' if down else ''}")
    limit = MAX_PAGE if options.top is None else min(options.top, MAX_PAGE)
    return (
        f"SELECT {terms} FROM {plan.scope.source()} {plan.where} {f'GROUP BY {by}' if by else ''} "
        f"{'ORDER BY ' + ', '.join(orders) if orders else ''} LIMIT {limit}"
    )
