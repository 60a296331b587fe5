"""`$filter` compiled to SQL: names quoted, values bound.

A `not` is pushed down to the single comparison, which it turns into its opposite, as Dataverse does when it makes a
query of a filter: so `not (a gt 5)` is `a le 5` and holds for no null, `not (a eq 5)` is `a ne 5` and holds for nulls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from local.dataverse import refusals
from local.dataverse.conditions import compiling
from local.dataverse.conditions.compiling import Context
from local.dataverse.conditions.literals import Value
from local.dataverse.conditions.operators import BY_NAME
from local.dataverse.conditions.seen import Seen
from local.dataverse.odata import functions
from local.dataverse.odata.scope import Scope, collection
from local.dataverse.odata.syntax import Both, Call, Compare, Function, Lambda, Node, Not, Path
from local.dataverse.tables import Kind
from shared.sql import identifier

_SWAPPED = {"eq": "eq", "ne": "ne", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_CALLS = {"contains": "contains", "startswith": "begins-with", "endswith": "ends-with"}


@dataclass(slots=True)
class Compiler:
    """Compiles trees over one scope; `variables` are those of the lambdas around it."""

    scope: Scope
    context: Context
    variables: dict[str, Scope] = field(default_factory=dict)

    def test(self, node: Node, *, negated: bool = False) -> str:
        """The SQL of a condition, or of its opposite.

        Raises:
            Refusal: it compares what cannot be compared.
        """
        kinds: dict[type[Node], Callable[..., str]] = {
            Both: self._both,
            Compare: self._compare,
            Call: self._call,
            Function: self._function,
            Lambda: self._lambda,
        }
        if isinstance(node, Not):
            return self.test(node.inner, negated=not negated)
        return kinds.get(type(node), self._bare)(node, negated=negated)

    def _both(self, node: Both, *, negated: bool) -> str:
        joined = " AND " if (node.operator == "and") is not negated else " OR "
        return balanced([self.test(part, negated=negated) for part in _chain(node)], joined)

    def _function(self, node: Function, *, negated: bool) -> str:
        seen = self._seen(Path(tuple(node.property.split("/"))))
        return functions.test(self.context, seen, node, negated=negated)

    def _seen(self, path: Path) -> Seen:
        scope = self.variables.get(path.steps[0])
        if scope is None:
            return self.scope.column(path.steps)
        if len(path.steps) == 1:
            raise refusals.query(f"The variable '{path}' is a row: name one of its properties.")
        return scope.column(path.steps[1:])

    def _bare(self, node: Path | Value, *, negated: bool) -> str:
        if isinstance(node, Value) and node.kind == "boolean":
            return "1" if node.value is not negated else "0"
        if isinstance(node, Path):
            seen = self._seen(node)
            if seen.column.kind is Kind.BOOLEAN:
                return compiling.condition(self.context, seen, "eq", [Value("boolean", not negated)])
        raise refusals.query("The $filter expression must evaluate to a single boolean value.")

    def _compare(self, node: Compare, *, negated: bool) -> str:
        left, right, operator = node.left, node.right, node.operator
        if isinstance(left, Value) and isinstance(right, Path):
            left, right, operator = right, left, _SWAPPED[operator]
        if isinstance(left, Path) and isinstance(right, Path | Value):
            operator = (BY_NAME[operator].inverse or operator) if negated else operator
            if isinstance(right, Path):
                return compiling.columns(operator, self._seen(left), self._seen(right))
            return compiling.condition(self.context, self._seen(left), operator, [right])
        if isinstance(right, Value) and right.kind == "boolean" and operator in ("eq", "ne"):
            return self.test(left, negated=negated is ((right.value is True) is (operator == "eq")))
        raise refusals.query("A comparison needs a property on one side and a property or a literal on the other.")

    def _call(self, node: Call, *, negated: bool) -> str:
        arguments = node.arguments
        if node.name not in _CALLS or len(arguments) != 2:
            raise refusals.query(f"An unknown function with name '{node.name}' was found.")
        path, literal = arguments
        if not isinstance(path, Path) or not isinstance(literal, Value) or literal.kind not in ("string", "guid"):
            raise refusals.query(f"The function '{node.name}' takes a text property and a text.")
        operator = BY_NAME[_CALLS[node.name]]
        name = (operator.inverse or operator.name) if negated else operator.name
        return compiling.condition(self.context, self._seen(path), name, [literal])

    def _lambda(self, node: Lambda, *, negated: bool) -> str:
        start = self.variables.get(node.steps[0])
        scope, steps = (self.scope, node.steps) if start is None else (start, node.steps[1:])
        if not steps:
            raise refusals.query("A lambda needs a collection.")
        alias, table = scope.row(steps[:-1])
        found = collection(scope.tables, table, steps[-1])
        if found is None:
            raise refusals.no_property(table.name, steps[-1])
        if node.variable in self.variables or len(self.variables) >= 5:
            raise refusals.query(f"The range variable '{node.variable}' is already declared, or nested too deeply.")
        inner = scope.inside(found.table)
        compiler = Compiler(self.scope, self.context, {**self.variables, node.variable: inner})
        tests = [found.holds(inner.alias, f"{alias}.{identifier(table.id_column)}")]
        if node.condition is not None:
            test = compiler.test(node.condition)
            tests.append(f"(NOT {test})" if node.every else test)
        word = "NOT EXISTS" if node.every is not negated else "EXISTS"
        return f"({word} (SELECT 1 FROM {inner.source()} WHERE {' AND '.join(tests)}))"


def balanced(tests: list[str], operator: str) -> str:
    """Conditions joined so that the nesting grows with the logarithm of their number: SQLite limits its depth."""
    if len(tests) == 1:
        return tests[0]
    half = len(tests) // 2
    return f"({balanced(tests[:half], operator)}{operator}{balanced(tests[half:], operator)})"


def _chain(node: Both) -> list[Node]:
    """The operands of `a or b or c`, which the parser nests to the left."""
    parts: list[Node] = []
    current: Node = node
    while isinstance(current, Both) and current.operator == node.operator:
        parts.append(current.right)
        current = current.left
    return [current, *reversed(parts)]
