"""The texts of the two queries: layers as a chain of named queries, then what is asked of the last one."""

from __future__ import annotations

from collections.abc import Sequence

from shared.columns.cells import Cell, Check
from shared.sql import identifier, literal

REJECTED, REPORTED, FILTERED = "!rejected", "!reported", "!filtered"
"""The flags of the typed query."""

ROW = "row_no"
"""The column that numbers the records."""

_PROBLEM = {
    ROW: "BIGINT", "column": "VARCHAR", "type": "VARCHAR", "found": "VARCHAR", "reason": "VARCHAR",
    "rejecting": "BOOLEAN",
}  # fmt: skip


def steps(layers: Sequence[Sequence[tuple[str, str]]], relation: str) -> str:
    """The layers over a relation, each a list of names and SQL; the last query is called `checked`."""
    lines = []
    for number, layer in enumerate(layers):
        kept, source = ("*", f"layer_{number - 1}") if number else (ROW, relation)
        assigned = "".join(f",\n    {sql} AS {name}" for name, sql in layer)
        lines.append(f"layer_{number} AS (\n  SELECT {kept}{assigned}\n  FROM {source}\n)")
    return "WITH " + ",\n".join(lines) + f",\nchecked AS (SELECT * FROM layer_{len(layers) - 1})\n"


def typed(steps: str, cells: Sequence[Cell]) -> str:
    """Every record with its typed columns, their companions and the flags."""
    selected = [ROW, *(part for cell in cells for part in _selected(cell))]
    selected.append(f"rejected AND NOT filtered AS {identifier(REJECTED)}")
    selected.append(f"reported AND NOT filtered AS {identifier(REPORTED)}")
    selected.append(f"filtered AS {identifier(FILTERED)}")
    return f"{steps}SELECT\n  " + ",\n  ".join(selected) + "\nFROM checked"


def _selected(cell: Cell) -> list[str]:
    label = cell.column.label
    selected = [f"{cell.names.value} AS {identifier(label)}"]
    if cell.column.type == "date":
        selected.append(f"{cell.name('u')} AS {identifier(label + '!utc')}")
    if cell.absent:
        selected.append(f"{cell.absent} AS {identifier(label + '?')}")
    return selected


def problems(steps: str, checks: Sequence[Check]) -> str:
    """One row per broken rule of the records that are flagged and not filtered out.

    The condition stands inside `unnest`: as a WHERE below it, DuckDB would push it down through all layers and
    compute every cast several times.
    """
    if not checks:
        empty = ", ".join(f"NULL::{type_} AS {identifier(name)}" for name, type_ in _PROBLEM.items())
        return f"{steps}SELECT {empty} FROM checked WHERE FALSE"
    listed = ",\n      ".join(_problem(check) for check in checks)
    members = ", ".join(f"problem.{identifier(name)} AS {identifier(name)}" for name in _PROBLEM if name != ROW)
    flagged = "(rejected OR reported) AND NOT filtered"
    return (
        f"{steps}SELECT {ROW}, {members}\n"
        f"FROM (\n  SELECT {ROW}, unnest(CASE WHEN {flagged} THEN [\n      {listed}\n    ] ELSE [] END) AS problem\n"
        f"  FROM checked\n)\nWHERE problem IS NOT NULL ORDER BY {ROW}"
    )


def _problem(check: Check) -> str:
    members = {
        "column": f"{literal(check.column)}::VARCHAR",
        "type": literal(check.type.value),
        "found": f"CAST({check.found} AS VARCHAR)",
        "reason": check.reason,
        "rejecting": literal(check.rejecting),
    }
    struct = ", ".join(f"{literal(name)}: {sql}" for name, sql in members.items())
    return f"CASE WHEN {check.condition} THEN {{{struct}}} END"
