"""The schema's rules as SQL: from staged cells to typed columns, with every problem told.

`compose` writes two queries over one relation. `query` gives every record with typed columns and three flags;
`problems` tells the details of the few flagged ones. Each cell is value, null or absent (docs/expressions.md).
"""

from shared.columns.casts import SQL_TYPES
from shared.columns.composing import TypedColumn, TypedSource, compose
from shared.columns.writing import FILTERED, REJECTED, REPORTED

__all__ = ["FILTERED", "REJECTED", "REPORTED", "SQL_TYPES", "TypedColumn", "TypedSource", "compose"]
