"""The types one may cast to."""

from __future__ import annotations

from sqlglot import exp

from shared.expressions.errors import refused
from shared.expressions.fragments import Kind
from shared.expressions.functions import TYPES
from shared.expressions.places import position


def target_type(node: exp.Expression) -> tuple[str, Kind]:
    """DuckDB's type for a cast, and its kind.

    Raises:
        ExpressionError: no type of the language.
    """
    target = node.args["to"]
    name = target.this.name if isinstance(target.this, exp.DType) else ""
    sizes = [str(size.this.this) for size in target.expressions if isinstance(size, exp.DataTypeParam)]
    if name not in TYPES or len(sizes) != len(target.expressions):
        remedy = "one may cast to VARCHAR, INTEGER, BIGINT, DECIMAL(p, s), DOUBLE, BOOLEAN, DATE, TIMESTAMP"
        raise refused(f"a cast to {target.sql('duckdb')[:40]}", position=position(node), remedy=remedy)
    type_, kind = TYPES[name]
    if type_ == "DECIMAL":
        return _decimal(sizes or ["38", "10"], node), kind
    return type_, kind


def _decimal(sizes: list[str], node: exp.Expression) -> str:
    precision, scale = (*sizes, "0")[:2]
    if precision.isdecimal() and scale.isdecimal() and int(scale) <= int(precision) <= 38 and int(precision) > 0:
        return f"DECIMAL({int(precision)}, {int(scale)})"
    found = f"DECIMAL({precision}, {scale})"
    raise refused(found, position=position(node), remedy="at most 38 digits, and no more decimals than digits")
