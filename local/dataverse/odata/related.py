"""Expanded collections: the rows that point at the rows of a page, read in one query per collection."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson

from local.dataverse.odata.expands import Expand
from local.dataverse.odata.options import MAX_PAGE, Options
from local.dataverse.odata.scope import ROOT
from local.dataverse.odata.shapes import Filling, JsonRow, Shape, shape

if TYPE_CHECKING:
    from local.dataverse.odata.queries import Asked, Plan, Reader


def fill(reader: Reader, filling: Filling, asked: Asked, depth: int) -> None:
    """Puts each row's related rows into it, with the link to their pages.

    On a nested collection the service heeds neither `$top` nor `$orderby`.
    """
    expand, many = filling.expand, filling.many
    plan = reader.plan(many.table, expand.filter, Options(aliases=asked.options.aliases))
    orderby = expand.orderby if depth == 1 else ()
    plan.orders = [*reader.orders(plan.scope, orderby), (f"{ROOT}.rowid", False)]
    wanted = shape(plan.scope, expand, asked.preferences, asked.root)
    top = expand.top if depth == 1 else None
    limit = min(top if top is not None else MAX_PAGE, asked.preferences.page or MAX_PAGE)
    listed = _listed(reader, filling, plan, wanted, limit)
    found = reader.filled(wanted, listed, asked, depth + 1)
    by_parent: dict[str, list[tuple[JsonRow, object]]] = {}
    for values, row in zip(listed, found, strict=True):
        by_parent.setdefault(str(values[-3]), []).append((row, values[-2]))
    for row, row_id in filling.rows:
        mine = by_parent.get(row_id, [])
        row[many.name] = [child for child, _ in mine[:limit]]
        if top is None:
            token = reader.token(plan, mine[limit - 1][1], 1) if len(mine) > limit else None
            row[f"{many.name}@odata.nextLink"] = _link(asked.root, filling, row_id, token)


def _listed(reader: Reader, filling: Filling, plan: Plan, wanted: Shape, limit: int) -> list[tuple[object, ...]]:
    """The related rows of every parent, each with its parent, its row number and its place, one more than `limit`."""
    many, context = filling.many, plan.compiler.context
    ids = context.bound(orjson.dumps([row_id for _, row_id in filling.rows]).decode())
    join, parent, test = many.among(ROOT, ids)
    terms = ", ".join(f"{member.term} AS c{at}" for at, member in enumerate(wanted.members))
    inner = (
        f"SELECT {terms}, {parent} AS parent, {ROOT}.rowid AS mark, "
        f"row_number() OVER (PARTITION BY {parent} {plan.order}) AS place "
        f"FROM {plan.scope.source()}{join} WHERE {' AND '.join([test, *plan.tests])}"
    )
    statement = f"SELECT * FROM ({inner}) WHERE place <= {limit + 1} ORDER BY parent, place"
    return reader.run(statement, context.values)


def _link(root: str, filling: Filling, row_id: str, token: str | None) -> str:
    expand, many = filling.expand, filling.many
    options = [f"${name}={quote(value, safe=_SAFE)}" for name, value in _written(expand)]
    options += [f"$skiptoken={token}"] if token else []
    address = f"{root}{many.owner.entity_set}({row_id})/{many.name}"
    return f"{address}?{'&'.join(options)}" if options else address


_SAFE = "$,;=()'/:@"


def _written(expand: Expand) -> list[tuple[str, str]]:
    """The options of an expand as those of a query."""
    orders = ",".join(f"{path} desc" if down else path for path, down in expand.orderby)
    inner = ",".join(_inner(each) for each in expand.expand)
    listed = [("select", ",".join(expand.select)), ("filter", expand.filter or ""), ("orderby", orders)]
    return [(name, value) for name, value in [*listed, ("expand", inner)] if value]


def _inner(expand: Expand) -> str:
    if expand.ref:
        return f"{expand.navigation}/$ref"
    options = ";".join(f"${name}={value}" for name, value in _written(expand))
    return f"{expand.navigation}({options})" if options else expand.navigation
