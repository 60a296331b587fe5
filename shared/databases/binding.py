"""SQL with `@name` variables in the form of a driver: each is a placeholder, its value a parameter.

Source: PEP 249, Python Database API Specification v2.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from shared import variables
from shared.errors import SourceError

ParameterStyle = Literal["qmark", "numeric", "named", "format", "pyformat"]
Parameters = list[str] | dict[str, str]


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement in the driver's own form, with its parameters."""

    text: str
    parameters: Parameters


def bind(text: str, values: Mapping[str, str], *, style: ParameterStyle) -> Statement:
    """A statement in which each `@name` outside of quotes is a placeholder; its value travels as a text parameter.

    Raises:
        SourceError: a variable has no value.
    """
    pieces = variables.code_pieces(text)
    missing = sorted(variables.names(pieces) - set(values))
    if missing:
        raise SourceError(f"the source's SQL needs the variable @{missing[0]}, which has no value")
    in_order = [piece.text for piece in pieces if piece.variable]
    counted = iter(range(1, len(in_order) + 1))
    forms: Mapping[str, Callable[[str], str]] = {
        "qmark": lambda _: "?",
        "numeric": lambda _: f":{next(counted)}",
        "named": lambda name: f":{name}",
        "format": lambda _: "%s",
        "pyformat": lambda name: f"%({name})s",
    }
    if style in ("format", "pyformat"):
        pieces = [p if p.variable else variables.Piece(p.text.replace("%", "%%")) for p in pieces]
    by_name = style in ("named", "pyformat")
    parameters: Parameters = {n: values[n] for n in in_order} if by_name else [values[n] for n in in_order]
    return Statement(variables.render(pieces, forms[style]), parameters)
