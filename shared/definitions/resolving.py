"""The values of a sync's variables for one job."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from shared.definitions.formulas import Formula, FormulaName, parse_formula
from shared.definitions.ordering import circle, in_order
from shared.definitions.sync import SyncDefinition
from shared.definitions.wording import shown
from shared.errors import RefuseError

MAX_VALUE = 20_000
"""Longest value of a variable, in characters."""


@dataclass(frozen=True, slots=True)
class _World:
    """Where formulas take their values from."""

    values: Mapping[str, str]
    environ: Mapping[str, str]
    new_guid: Callable[[], str]


def resolve_variables(
    definition: SyncDefinition,
    *,
    given: Mapping[str, str],
    files: Mapping[str, Path | str],
    environ: Mapping[str, str],
    new_guid: Callable[[], str],
) -> dict[str, str]:
    """One value for every variable of the definition.

    `given` holds the texts and `files` the files handed over with the start, or a file's address in storage; a file
    variable's value is its path.
    `environ` holds the app's settings; `new_guid` makes a new id.

    Raises:
        RefuseError: names that are unknown, given though they are made by a formula, or missing (all of them at once);
            or a formula that gives nothing.
    """
    problems = [*_unwanted(definition, given, files), *_missing(definition, given, files)]
    if problems:
        raise RefuseError(f"sync {definition.name!r} cannot start: " + "; ".join(problems))
    values = {name: variable.default for name, variable in definition.variables.items() if variable.default is not None}
    values |= dict(given)
    values |= {name: str(path) for name, path in files.items()}
    return _with_formulas(definition, values, environ, new_guid)


def _unwanted(definition: SyncDefinition, given: Mapping[str, str], files: Mapping[str, Path | str]) -> list[str]:
    problems = []
    for name in [*given, *files]:
        variable = definition.variables.get(name)
        if variable is None:
            known = ", ".join(definition.variables) or "none"
            problems.append(f"there is no variable {shown(name)} (its variables: {known})")
        elif variable.formula is not None:
            problems.append(f"variable {name!r} is made by a formula and cannot be given")
        elif variable.file != (name in files):
            kind = f"a file: write --file {name}=PATH" if variable.file else f"a text: write -v {name}=VALUE"
            problems.append(f"variable {name!r} is {kind}")
    unfit = [name for name, value in given.items() if not _fits(value)]
    return problems + [
        f"variable {name!r} is longer than {MAX_VALUE} characters or holds a sign that is none" for name in unfit
    ]


def _fits(value: str) -> bool:
    return len(value) <= MAX_VALUE and not any(sign == "\0" or 0xD800 <= ord(sign) <= 0xDFFF for sign in value)


def _missing(definition: SyncDefinition, given: Mapping[str, str], files: Mapping[str, Path | str]) -> list[str]:
    missing = {
        name: f"--file {name}=PATH" if variable.file else f"-v {name}=VALUE"
        for name, variable in definition.variables.items()
        if variable.required and name not in given and name not in files
    }
    if not missing:
        return []
    texts = [name for name in missing if not definition.variables[name].file]
    chosen = [name for name in missing if definition.variables[name].file]
    kinds = [f"no {kind} is given for {', '.join(of)}" for kind, of in (("value", texts), ("file", chosen)) if of]
    return [f"{', and '.join(kinds)}; give it with the start (on the command line: {' '.join(missing.values())})"]


def _with_formulas(
    definition: SyncDefinition, given: Mapping[str, str], environ: Mapping[str, str], new_guid: Callable[[], str]
) -> dict[str, str]:
    formulas = _formulas(definition)
    needs = {name: [formula.variable] if formula.variable else [] for name, formula in formulas.items()}
    if ring := circle(needs):
        raise RefuseError(f"sync {definition.name!r} cannot start: its variables need each other: {' → '.join(ring)}")
    values = dict(given)
    world = _World(values, environ, new_guid)
    for name in in_order(needs):
        try:
            values[name] = _value(formulas[name], world)
        except ValueError as error:
            raise RefuseError(f"sync {definition.name!r} cannot start: variable {name!r}: {error}") from None
    return {name: values[name] for name in definition.variables}


def _formulas(definition: SyncDefinition) -> dict[str, Formula]:
    formulas: dict[str, Formula] = {}
    for name, variable in definition.variables.items():
        if variable.formula is None:
            continue
        try:
            formulas[name] = parse_formula(variable.formula)
        except ValueError as error:
            raise RefuseError(f"sync {definition.name!r} cannot start: variable {name!r}: {error}") from None
    return formulas


def _value(formula: Formula, world: _World) -> str:
    if formula.name is FormulaName.GUID:
        return world.new_guid()
    if formula.name is FormulaName.ENV:
        if formula.text not in world.environ:
            raise ValueError(f"the app has no setting {formula.text}; add it")
        return world.environ[formula.text]
    if formula.variable not in world.values:
        raise ValueError(f"its formula names @{formula.variable}, which is no variable of this sync")
    path = world.values[str(formula.variable)]
    text = re.split(r"[\\/]", path)[-1] if formula.name is FormulaName.FILENAME else path
    return first_group(formula.text, text)


def first_group(pattern: str, text: str) -> str:
    """The first group of the pattern's first match. DuckDB's engine (RE2) takes linear time, whatever the pattern.

    Raises:
        ValueError: the pattern is wrong or has no group, or the text does not match.
    """
    with duckdb.connect(config={"enable_external_access": False, "threads": 1}) as connection:
        try:
            row = connection.execute(
                "SELECT regexp_matches($text, $pattern), regexp_extract($text, $pattern, 1)",
                {"text": text, "pattern": pattern},
            ).fetchone()
        except duckdb.Error:
            row = None
    if row is None:
        raise ValueError("its regular expression is wrong or has no group; put what you want in parentheses")
    matched, group = row
    if not matched or not group:
        raise ValueError(f"{text[-100:]!r} does not match the regular expression {pattern!r} (or its group is empty)")
    return str(group)
