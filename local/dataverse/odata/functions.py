"""The query functions of Dataverse, called by their full name: In, Between, ContainValues, and those of dates."""

from __future__ import annotations

from local.dataverse import refusals
from local.dataverse.conditions.compiling import Context, condition, texts
from local.dataverse.conditions.operators import BY_FUNCTION
from local.dataverse.conditions.seen import Seen
from local.dataverse.odata.syntax import Function


def test(context: Context, seen: Seen, node: Function, *, negated: bool) -> str:
    """The SQL of one function, or of its opposite.

    Raises:
        Refusal: there is no such function, or its parameters do not fit the column.
    """
    operator = BY_FUNCTION.get(node.name)
    if operator is None:
        raise refusals.query(f"An unknown function with name 'Microsoft.Dynamics.CRM.{node.name}' was found.")
    if operator.most is None and not node.values:
        raise refusals.query(f"The function '{node.name}' needs PropertyValues.")
    values = texts(seen, operator.name, node.values)
    if negated and operator.inverse is not None:
        return condition(context, seen, operator.inverse, values)
    found = condition(context, seen, operator.name, values)
    return f"(NOT coalesce({found}, 0))" if negated else found
