"""The four formulas of variables: FILENAME, FILEPATH, GUID and ENV, read by a parser of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

ENV_PREFIX = "DYNSYNC_VAR_"
"""Only settings of the app with this beginning can be read by a definition."""
FORMS = "FILENAME(@file, 'regex'), FILEPATH(@file, 'regex'), GUID() or ENV('DYNSYNC_VAR_…')"

_TOKEN = re.compile(
    r"\s*(?:(?P<variable>@[A-Za-z_][A-Za-z0-9_]*)|'(?P<text>(?:[^']|'')*)'|(?P<sign>[A-Za-z]+|[(),]))\s*"
)
_MAX_PATTERN = 500


class FormulaName(StrEnum):
    """What a formula does."""

    FILENAME = "FILENAME"
    FILEPATH = "FILEPATH"
    GUID = "GUID"
    ENV = "ENV"


@dataclass(frozen=True, slots=True)
class Formula:
    """A parsed formula. `variable` is the variable it reads; `text` the pattern, or the setting's name."""

    name: FormulaName
    variable: str | None = None
    text: str = ""


def parse_formula(text: str) -> Formula:
    """The formula in the text; names of formulas know no case, a quote in a text is doubled.

    Raises:
        ValueError: it is none of the four; a clause that says what was found and what is allowed.
    """
    name, arguments = _call(text)
    kinds = [kind for kind, _ in arguments]
    values = [value for _, value in arguments]
    if name in (FormulaName.FILENAME, FormulaName.FILEPATH) and kinds == ["variable", "text"]:
        if len(values[1]) > _MAX_PATTERN:
            raise ValueError(f"the regular expression is too long; at most {_MAX_PATTERN} characters are allowed")
        return Formula(name, values[0][1:], values[1])
    if name is FormulaName.GUID and not kinds:
        return Formula(name)
    if name is FormulaName.ENV and kinds == ["text"]:
        return Formula(name, text=_setting(values[0]))
    raise ValueError(f"{name}(…) has other arguments than it takes; write {FORMS}")


def _call(text: str) -> tuple[FormulaName, list[tuple[str, str]]]:
    tokens = _tokens(text)
    known = {name.value: name for name in FormulaName}
    if len(tokens) < 3 or tokens[1] != ("sign", "(") or tokens[-1] != ("sign", ")"):
        raise ValueError(f"the formula is not a call; write {FORMS}")
    if tokens[0][1].upper() not in known or tokens[0][0] != "sign":
        raise ValueError(f"the formula is not one that variables know; write {FORMS}")
    return known[tokens[0][1].upper()], _arguments(tokens[2:-1])


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"the formula cannot be read from character {position + 1} on; write {FORMS}")
        kind = str(match.lastgroup)
        tokens.append((kind, match[kind].replace("''", "'") if kind == "text" else match[kind]))
        position = match.end()
    return tokens


def _arguments(tokens: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    commas = tokens[1::2]
    values = tokens[0::2]
    if any(token != ("sign", ",") for token in commas) or any(kind == "sign" for kind, _ in values):
        raise ValueError(f"the formula's arguments cannot be read; write {FORMS}")
    if len(tokens) and len(tokens) % 2 == 0:
        raise ValueError(f"the formula ends with a comma; write {FORMS}")
    return list(values)


def _setting(name: str) -> str:
    if not re.fullmatch(ENV_PREFIX + r"[A-Za-z0-9_]{1,100}", name):
        raise ValueError(f"ENV reads only settings whose name begins with {ENV_PREFIX}; rename the setting")
    return name
