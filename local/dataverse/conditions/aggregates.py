"""Aggregates of a column, as `$apply`, FetchXML and SQL ask for them."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from local.dataverse import refusals
from local.dataverse.conditions.literals import NUMBERS
from local.dataverse.conditions.seen import Seen
from local.dataverse.odata.reading import Convert, Member, converter, number_text
from local.dataverse.tables import WHOLE_OPTIONS, Kind

_SCALED = frozenset((Kind.DECIMAL, Kind.MONEY))
METHODS = frozenset(("count", "countcolumn", "distinct", "sum", "avg", "min", "max"))


def member(method: str, seen: Seen | None, name: str) -> Member:
    """An aggregate as a member of a reply's row; without a column the number of rows.

    Raises:
        Refusal: the method does not fit the column.
    """
    if method == "count" or seen is None:
        return Member(name, "count(*)")
    if method == "countcolumn":
        return Member(name, f"count({seen.raw})")
    if method == "distinct":
        return Member(name, f"count(DISTINCT {seen.equal})")
    kind = seen.column.kind
    if kind not in NUMBERS - WHOLE_OPTIONS and not (kind is Kind.DATETIME and method in ("min", "max")):
        raise refusals.query(
            f"The aggregate '{method}' is not supported for the column '{seen.column.name}' of this type."
        )
    if method == "avg":
        return Member(name, f"avg({seen.raw})", _average(seen.column.scale) if kind in _SCALED else None)
    return Member(name, f"{method}({seen.raw})", converter(seen.column))


def _average(scale: int) -> Convert:
    def convert(values: Sequence[object]) -> Sequence[object]:
        return [None if v is None else orjson.Fragment(number_text(round(float(str(v))), scale, scale)) for v in values]

    return convert
