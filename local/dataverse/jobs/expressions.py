"""A QueryExpression of a request body as a `$filter` of the Web API.

Source: Microsoft Learn, "QueryExpression complex type", "FilterExpression", "ConditionExpression" and
"ConditionOperator enum".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from local.dataverse import refusals
from local.dataverse.refusals import Refusal
from local.dataverse.tables import TEXTS, Column, Kind, Table, Tables

_MAX_DEPTH = 20
_SIGNS = {
    "Equal": "eq",
    "NotEqual": "ne",
    "GreaterThan": "gt",
    "LessThan": "lt",
    "GreaterEqual": "ge",
    "LessEqual": "le",
}
_CALLS = {"BeginsWith": "startswith", "EndsWith": "endswith", "Contains": "contains"}
_NEGATED = {"DoesNotBeginWith": "BeginsWith", "DoesNotEndWith": "EndsWith", "DoesNotContain": "Contains"}
_PLAIN = re.compile(r"[\w.:+-]+")


def table_of(tables: Tables, query: object) -> Table:
    """The table that a query is about.

    Raises:
        Refusal: it is no query, or there is no such table.
    """
    name = query.get("EntityName") if isinstance(query, Mapping) else None
    table = tables.by_name.get(name) if isinstance(name, str) else None
    if table is None:
        raise Refusal(400, "0x80040203", f"The entity with a name = '{str(name)[:100]}' was not found.")
    return table


def filter_of(table: Table, query: Mapping[str, object]) -> str:
    """The condition of a query; empty when every row is meant.

    Raises:
        Refusal: a part is malformed or names a column that the table does not have.
    """
    if query.get("LinkEntities"):
        raise refusals.not_built("LinkEntities in the query of a bulk delete")
    return _filter(table, query.get("Criteria") or {}, 0)


def _filter(table: Table, criteria: object, depth: int) -> str:
    if not isinstance(criteria, Mapping) or depth > _MAX_DEPTH:
        raise _malformed("a FilterExpression is an object, nested at most 20 deep")
    operator = str(criteria.get("FilterOperator", "And"))
    if operator not in ("And", "Or"):
        raise _malformed(f"FilterOperator is And or Or, found '{operator[:50]}'")
    parts = [_condition(table, condition) for condition in _list(criteria, "Conditions")]
    parts += [_filter(table, inner, depth + 1) for inner in _list(criteria, "Filters")]
    return f" {operator.lower()} ".join(f"({part})" for part in parts if part)


def _condition(table: Table, condition: object) -> str:
    if not isinstance(condition, Mapping):
        raise _malformed("a ConditionExpression is an object")
    name, operator = str(condition.get("AttributeName")), str(condition.get("Operator"))
    column = table.columns.get(name)
    if column is None:
        text = f"'{table.name}' entity doesn't contain attribute with Name = '{name[:100]}'."
        raise Refusal(400, "0x80041103", text)
    values = [_literal(column, value) for value in _list(condition, "Values")]
    if operator in _NEGATED:
        return f"not {_test(column.read_name, _NEGATED[operator], values)}"
    return _test(column.read_name, operator, values)


def _test(name: str, operator: str, values: list[str]) -> str:
    if operator in ("Null", "NotNull"):
        return f"{name} {'eq' if operator == 'Null' else 'ne'} null"
    if operator in _SIGNS or operator in _CALLS:
        if len(values) != 1:
            raise _malformed(f"the operator {operator} takes one value")
        return (
            f"{_CALLS[operator]}({name},{values[0]})"
            if operator in _CALLS
            else f"{name} {_SIGNS[operator]} {values[0]}"
        )
    if not re.fullmatch(r"[A-Za-z]{1,50}", operator):
        raise _malformed("a ConditionExpression needs an Operator")
    quoted = ",".join(value if value.startswith("'") else f"'{value}'" for value in values)
    given = f",PropertyValues=[{quoted}]" if operator in ("In", "NotIn", "Between", "NotBetween") else ""
    if values and not given:
        given = f",PropertyValue={values[0]}"
    return f"Microsoft.Dynamics.CRM.{operator}(PropertyName='{name}'{given})"


def _literal(column: Column, value: object) -> str:
    """A value as the filter spells it, by the column's type: `{"Value": "5", "Type": "System.Int32"}`, or plain."""
    if isinstance(value, Mapping):
        value = value.get("Value")
    text = str(value).lower() if isinstance(value, bool) or column.kind is Kind.BOOLEAN else str(value)
    if column.kind in TEXTS:
        return "'" + text.replace("'", "''") + "'"
    if _PLAIN.fullmatch(text) is None:
        raise _malformed(f"a value for '{column.name}' is not of its type")
    return text


def _list(owner: Mapping[str, object], name: str) -> list[object]:
    found = owner.get(name) or []
    if not isinstance(found, list):
        raise _malformed(f"{name} is an array")
    return found


def _malformed(what: str) -> Refusal:
    return Refusal(400, "0x80040203", f"The query cannot be used: {what}.")
