"""How large an expression, and what it makes of a record, may be."""

from __future__ import annotations

TEXT_LENGTH = 10_000
"""Characters of an expression."""

NODES = 1_000
"""Names, values, operators and calls in one expression."""

DEPTH = 60
"""Levels of nesting in the tree of an expression."""

TOKEN_DEPTH = 15
"""Open brackets and CASEs, and signs or NOTs in a row; the parser recurses over these."""

COPIES = 100
"""How many times the size of its cells a value may grow before its parts are measured."""

RESULT_LENGTH = 1_000_000
"""Characters of a text that an expression gives; a longer one is an error of its record."""

PADDING = 10_000
"""Characters that lpad and rpad may fill up to."""
