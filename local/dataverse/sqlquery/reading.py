"""A SELECT as a `Fetch`: columns, aliases, joins, conditions, groups, orders; everything else is refused.

Source: Microsoft Learn, "Query data using the SDK for Python", and the query guide of Microsoft's Python client, both
read November 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from local.dataverse.fetchxml.model import Attribute, Entity, Fetch, Filter, Join, Order
from local.dataverse.sqlquery import faults
from local.dataverse.sqlquery.conditions import condition

MAX_NESTING = 50
MAX_ROWS = 5000
MAX_LINKS = 15
_SELECT = frozenset(["expressions", "distinct", "limit", "from_", "joins", "where", "group", "order", "offset", "kind"])
_METHODS = {exp.Count: "countcolumn", exp.Sum: "sum", exp.Avg: "avg", exp.Min: "min", exp.Max: "max"}
_STRING = re.compile(r"'(?:[^']|'')*'")
_DEEP = re.compile(r"(?i)\b(?:not|case)\b|[-~+]\s*(?=[-~+])")


@dataclass(slots=True)
class _Table:
    """One table of the query on its way to an entity."""

    name: str
    alias: str
    join: Join | None = None
    attributes: list[Attribute] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    links: list[_Table] = field(default_factory=list)

    def entity(self, filters: tuple[Filter, ...] = ()) -> Entity:
        """The table with what is linked to it, as an entity."""
        return Entity(
            self.name,
            tuple(self.attributes),
            filters=filters,
            orders=tuple(self.orders),
            links=tuple(link.entity() for link in self.links),
            alias=self.alias,
            join=self.join,
        )


def read(text: str) -> Fetch:
    """The query of a text.

    Raises:
        Refusal: it is no SELECT, or one outside the subset.
    """
    select = _parsed(text)
    tables = _tables(select)
    aggregate = _columns(select, tables)
    where = select.args.get("where")
    filters = (Filter(False, (condition(where.this, lambda c: _named(c, tables)),)),) if where is not None else ()
    names = [a.alias for t in tables for a in t.attributes if a.aggregate]
    order = select.args.get("order")
    for term in order.expressions if order is not None else []:
        _order(term, tables, names)
    top, count, skip = _limits(select)
    distinct = select.args.get("distinct")
    if distinct is not None and (distinct.args.get("on") or distinct.expressions):
        raise faults.unsupported("DISTINCT ON")
    return Fetch(
        tables[0].entity(filters),
        top=top,
        count=count,
        distinct=distinct is not None and not aggregate,
        aggregate=aggregate,
        skip=skip,
    )


def _parsed(text: str) -> exp.Select:
    bare = _STRING.sub("''", text)
    depth = deepest = 0
    for character in bare:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if deepest > MAX_NESTING or len(_DEEP.findall(bare)) > 4 * MAX_NESTING:
        raise faults.unsupported("it is nested too deeply")
    try:
        found = [each for each in sqlglot.parse(text, dialect="tsql") if each is not None]
    except (SqlglotError, RecursionError, ValueError, AttributeError, TypeError, IndexError, KeyError) as cause:
        raise faults.malformed(f"{type(cause).__name__}: {cause}") from None
    if len(found) != 1 or ";" in bare.rstrip().removesuffix(";"):
        raise faults.unsupported("exactly one statement is needed")
    if not isinstance(found[0], exp.Select):
        raise faults.unsupported(f"only SELECT, found {found[0].key.upper()}")
    other = [name for name, value in found[0].args.items() if value and name not in _SELECT]
    if other:
        raise faults.unsupported(other[0].strip("_").upper())
    return found[0]


def _tables(select: exp.Select) -> list[_Table]:
    start = select.args.get("from_")
    if start is None:
        raise faults.unsupported("a SELECT without FROM")
    tables = [_table(start.this)]
    joins = select.args.get("joins") or []
    if len(joins) > MAX_LINKS:
        raise faults.unsupported(f"more than {MAX_LINKS} joins")
    for join in joins:
        _join(join, tables)
    aliases = [table.alias for table in tables]
    if len(set(aliases)) < len(aliases):
        raise faults.unsupported("one alias for two tables")
    return tables


def _table(node: exp.Expression) -> _Table:
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise faults.unsupported("FROM takes tables, no subquery and no function")
    if any(value for name, value in node.args.items() if name not in ("this", "alias", "db", "catalog")):
        raise faults.unsupported("table hints and PIVOT")
    if node.args.get("catalog") or node.db.lower() not in ("", "dbo"):
        raise faults.unsupported(f"the schema '{node.db[:50]}'")
    name = node.name.lower()
    return _Table(name, (node.alias or name).lower())


def _join(node: exp.Join, tables: list[_Table]) -> None:
    words = f"{node.method or ''} {node.side or ''} {node.kind or ''}".split()
    if not set(words) <= {"LEFT", "INNER", "OUTER"} or node.args.get("using"):
        raise faults.unsupported(f"{' '.join(words) or 'USING'} JOIN; only INNER JOIN and LEFT JOIN")
    table, on = _table(node.this), node.args.get("on")
    while isinstance(on, exp.Paren):
        on = on.this
    if not isinstance(on, exp.EQ) or not isinstance(on.this, exp.Column) or not isinstance(on.expression, exp.Column):
        raise faults.unsupported("a join without ON, or ON with more than one equality of two columns")
    first, second = on.this, on.expression
    if first.table.lower() == table.alias:
        first, second = second, first
    if second.table.lower() != table.alias:
        raise faults.unsupported("ON needs a column of the joined table, with its alias")
    parent = next((each for each in tables if each.alias == first.table.lower()), None)
    if parent is None:
        raise faults.unsupported(f"the alias '{first.table[:50]}' in ON stands for no table before it")
    table.join = Join(second.name.lower(), first.name.lower(), "outer" if "LEFT" in words else "inner")
    parent.links.append(table)
    tables.append(table)


def _columns(select: exp.Select, tables: list[_Table]) -> bool:
    """Adds the columns to their tables; whether the query aggregates."""
    group = select.args.get("group")
    if group is not None and any(value for name, value in group.args.items() if name != "expressions"):
        raise faults.unsupported("GROUP BY with ROLLUP, CUBE or sets")
    keys = [_key(node, tables) for node in (group.expressions if group is not None else [])]
    aggregate = group is not None or any(node.find(exp.AggFunc) for node in select.expressions)
    shown = set()
    for number, node in enumerate(select.expressions, 1):
        inner = node.this if isinstance(node, exp.Alias) else node
        alias = node.alias if isinstance(node, exp.Alias) else None
        if isinstance(inner, exp.Column) and not isinstance(inner.this, exp.Star):
            key = _key(inner, tables)
            if aggregate and key not in keys:
                raise faults.unsupported(f"the column '{key[1][:100]}' is neither grouped nor aggregated")
            shown.add(key)
            named = alias or (key[1] if aggregate else None)
            _of(key[0], tables).attributes.append(Attribute(key[1], named, groupby=aggregate))
        elif isinstance(inner, exp.AggFunc):
            owner, attribute = _aggregate(inner, alias or f"Column{number}", tables)
            owner.attributes.append(attribute)
        else:
            what = "SELECT *" if isinstance(inner, exp.Star | exp.Column) else f"'{inner.key.upper()}' in SELECT"
            raise faults.unsupported(f"{what}; name columns, or aggregates of them")
    if set(keys) - shown:
        raise faults.unsupported("GROUP BY a column that is not selected")
    return aggregate


def _aggregate(node: exp.AggFunc, alias: str, tables: list[_Table]) -> tuple[_Table, Attribute]:
    method, inner = _METHODS.get(type(node)), node.this
    distinct = isinstance(inner, exp.Distinct)
    if isinstance(inner, exp.Distinct) and len(inner.expressions) == 1:
        inner = inner.expressions[0]
    if method is None or node.expressions or (distinct and method != "countcolumn"):
        raise faults.unsupported(f"the aggregate {node.key.upper()}")
    if isinstance(inner, exp.Star) and method == "countcolumn":
        return tables[0], Attribute("*", alias, "count")
    if not isinstance(inner, exp.Column):
        raise faults.unsupported("an aggregate of anything but a column")
    owner, name = _key(inner, tables)
    return _of(owner, tables), Attribute(name, alias, method, distinct=distinct)


def _order(term: exp.Expression, tables: list[_Table], names: list[str | None]) -> None:
    column = term.this
    if not isinstance(term, exp.Ordered) or not isinstance(column, exp.Column):
        raise faults.unsupported("ORDER BY anything but a column")
    down = bool(term.args.get("desc"))
    if not column.table and column.name in names:
        tables[0].orders.append(Order(None, column.name, descending=down))
        return
    given = {a.alias: (t.alias, a.name) for t in tables for a in t.attributes if a.alias and not a.aggregate}
    owner, name = given.get(column.name) if not column.table and column.name in given else _key(column, tables)  # type: ignore[misc]
    tables[0].orders.append(Order(name, entity=owner, descending=down))


def _limits(select: exp.Select) -> tuple[int | None, int | None, int]:
    """TOP, FETCH NEXT and OFFSET."""
    limit, offset = select.args.get("limit"), select.args.get("offset")
    options = limit.args.get("limit_options") if limit is not None else None
    if options is not None and (options.args.get("percent") or options.args.get("with_ties")):
        raise faults.unsupported("PERCENT and WITH TIES")
    skip = _number(offset.expression) if offset is not None else 0
    if isinstance(limit, exp.Fetch):
        return None, _number(limit.args.get("count")), skip
    if limit is None:
        return None, None, skip
    return _number(limit.expression), None, skip


def _number(node: exp.Expression | None) -> int:
    while isinstance(node, exp.Paren):
        node = node.this
    if not isinstance(node, exp.Literal) or node.is_string or not re.fullmatch(r"[0-9]{1,9}", node.name):
        raise faults.unsupported("TOP, OFFSET and FETCH take an integer literal")
    if int(node.name) > MAX_ROWS and not isinstance(node.parent, exp.Offset):
        raise faults.unsupported(f"TOP and FETCH go up to {MAX_ROWS}")
    return int(node.name)


def _named(column: exp.Column, tables: list[_Table]) -> tuple[str | None, str]:
    """Alias and name of a column in a condition; no alias for the first table's."""
    owner, name = _key(column, tables)
    return (None if owner == tables[0].alias else owner), name


def _key(node: exp.Expression, tables: list[_Table]) -> tuple[str, str]:
    if not isinstance(node, exp.Column) or isinstance(node.this, exp.Star) or node.args.get("db"):
        raise faults.unsupported("an expression where a column is needed")
    owner = node.table.lower() or tables[0].alias
    if all(table.alias != owner for table in tables):
        raise faults.unsupported(f"the alias '{owner[:50]}' stands for no table")
    return owner, node.name.lower()


def _of(alias: str, tables: list[_Table]) -> _Table:
    return next(table for table in tables if table.alias == alias)
