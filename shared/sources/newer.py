"""A statement narrowed to the rows that an incremental sync has not read yet.

The engine leaves out what is too old by the schema's own rules; the database spares the way of most of it. So a
condition here may let too much through, and never too little: rows without a value always pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.sql import identifier

_HEAD, _TAIL = "SELECT * FROM (\n", "\n) AS newer"


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL over the quoted column, `{column}`, and the bound, `{bound}`; and the bound's text."""

    sql: str
    bound: str


def nothing_of(sql: str) -> str:
    """The statement's columns without its rows."""
    return f"{_HEAD}{sql}{_TAIL} WHERE 1 = 0"


def narrowed(
    sql: str, variables: Mapping[str, str], column: str, condition: Condition
) -> tuple[str, Mapping[str, str]]:
    """The statement with the condition around it, and the variables with the bound among them."""
    bound = "since"
    while bound in variables:
        bound += "_"
    name = identifier(column)
    wanted = condition.sql.format(column=name, bound=f"@{bound}")
    return f"{_HEAD}{sql}{_TAIL} WHERE {wanted} OR {name} IS NULL", {**variables, bound: condition.bound}
