"""Where a node stands in the text, and what to call it in a message."""

from __future__ import annotations

from sqlglot import exp

_WORDS: dict[type[exp.Expression], str] = {
    exp.Select: "a subquery",
    exp.Subquery: "a subquery",
    exp.Exists: "a subquery",
    exp.Window: "a window function",
    exp.Filter: "an aggregate",
    exp.Lambda: "a lambda",
    exp.Star: "a '*'",
    exp.Bracket: "an index in brackets",
    exp.Array: "a list",
    exp.Struct: "a struct",
    exp.Tuple: "a list outside IN",
    exp.Alias: "a name given with AS (or two values side by side)",
    exp.Dot: "a function of a schema",
    exp.Block: "several statements",
    exp.Collate: "COLLATE",
    exp.AtTimeZone: "AT TIME ZONE",
    exp.Concat: "two texts side by side (join them with ||)",
    exp.Distinct: "DISTINCT",
    exp.Order: "ORDER BY",
    exp.Column: "a column",
    exp.Literal: "a value",
    exp.Anonymous: "a call",
    exp.Placeholder: "a variable",
    exp.Neg: "a negative value",
    exp.RegexpLike: "'~' (write regexp_matches)",
    exp.ByteString: "an escaped text (e'…')",
}


def position(node: exp.Expression) -> int | None:
    """The first character of the node (from 1), as far as its names and values tell."""
    starts = [found.meta["start"] for found in node.walk() if "start" in found.meta]
    return int(min(starts)) + 1 if starts else None


def spelled(node: exp.Expression) -> str:
    """The node in words for a message."""
    words = _WORDS.get(type(node))
    if words is None:
        name = type(node).__name__
        words = "the construct " + "".join(f" {c.lower()}" if c.isupper() else c for c in name).strip()
    return words
