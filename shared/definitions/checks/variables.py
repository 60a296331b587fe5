"""Variables: every one that is named exists, formulas can be read, and none needs itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches

from shared.definitions.formulas import Formula, parse_formula
from shared.definitions.ordering import circle
from shared.definitions.source import DataverseSource, FileSource, RestSource, SqlSource
from shared.definitions.sync import SyncDefinition
from shared.expressions.probe import pattern_complaint
from shared.values.problems import Problem
from shared.variables import Piece, code_pieces, names, template_pieces

JOB_VARIABLES = frozenset({"job_id"})
"""Variables that every step after a job may name."""

_Pieces = Callable[[str], list[Piece]]


def check(definition: SyncDefinition) -> list[Problem]:
    """Problems with variables and the texts that name them (expressions are checked where they are parsed)."""
    return [*_formulas(definition), *_reserved(definition), *_unknown(definition)]


def _formulas(definition: SyncDefinition) -> Iterator[Problem]:
    needs: dict[str, list[str]] = {}
    for name, variable in definition.variables.items():
        if variable.formula is None:
            continue
        path = f"variables.{name}.formula"
        try:
            formula = parse_formula(variable.formula)
        except ValueError as error:
            found, _, remedy = str(error).partition("; ")
            yield Problem(path, found, remedy)
            continue
        needs[name] = [formula.variable] if formula.variable is not None else []
        yield from _formula(definition, formula, path)
    if ring := circle(needs):
        yield Problem(f"variables.{ring[0]}", f"variables need each other: {' → '.join(ring)}", "break the circle")


def _formula(definition: SyncDefinition, formula: Formula, path: str) -> Iterator[Problem]:
    if formula.variable is None:
        return
    yield from _missing(definition, {formula.variable}, path)
    if pattern_complaint(formula.text) is not None:
        yield Problem(path, "the regular expression cannot be read", "write it in RE2's language (no look-around)")
    elif not _has_group(formula.text):
        yield Problem(path, "the regular expression has no group", "put what you want in parentheses: '(\\d{8})'")


def _has_group(pattern: str) -> bool:
    plain = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "", pattern)
    return re.search(r"\((?:(?!\?)|\?P?<)", plain) is not None


def _reserved(definition: SyncDefinition) -> Iterator[Problem]:
    for name in definition.variables:
        if name in JOB_VARIABLES:
            yield Problem(f"variables.{name}", f"the name {name!r} is kept for the job's own", "rename the variable")


def _unknown(definition: SyncDefinition) -> Iterator[Problem]:
    for path, text, pieces in _texts(definition):
        yield from _missing(definition, names(pieces(text)), path)


def _missing(definition: SyncDefinition, used: set[str], path: str) -> Iterator[Problem]:
    known = set(definition.variables) | (JOB_VARIABLES if path.startswith("post_sync.") else set())
    for name in sorted(used - known):
        near = get_close_matches(name, known, n=1)
        remedy = f"did you mean @{near[0]}?" if near else f"declare it under variables: {name}: {{ }}"
        yield Problem(path, f"there is no variable @{name}", remedy)


def _texts(definition: SyncDefinition) -> Iterator[tuple[str, str, _Pieces]]:
    """Every text that may hold variables and is no expression of ours: its path, itself, and how it is read."""
    yield from _source_texts(definition)
    if definition.destination.filter is not None:
        yield "destination.filter", definition.destination.filter, code_pieces
    for number, mapping in enumerate(definition.mappings):
        if mapping.link is not None and mapping.link.where is not None:
            yield f"mappings.{number}.link.where", mapping.link.where, code_pieces
    yield from _step_texts(definition)


def _source_texts(definition: SyncDefinition) -> Iterator[tuple[str, str, _Pieces]]:
    source = definition.source
    if isinstance(source, FileSource):
        yield "source.path", source.path, template_pieces
    elif isinstance(source, RestSource):
        yield "source.url", source.url, template_pieces
        yield "source.body", source.body or "", template_pieces
        for name, value in source.headers.items():
            yield f"source.headers.{name}", value if isinstance(value, str) else "", template_pieces
    elif isinstance(source, SqlSource):
        yield "source.path", source.path or "", template_pieces
        yield "source.query", source.query or "", code_pieces
    if isinstance(source, SqlSource | DataverseSource):
        yield "source.filter", source.filter or "", code_pieces


def _step_texts(definition: SyncDefinition) -> Iterator[tuple[str, str, _Pieces]]:
    for number, step in enumerate(definition.post_sync):
        path = f"post_sync.{number}"
        for name, value in step.parameters.items():
            yield f"{path}.parameters.{name}", value if isinstance(value, str) else "", template_pieces
        if step.http is not None:
            yield f"{path}.http.url", step.http.url, template_pieces
            yield f"{path}.http.body", step.http.body or "", template_pieces
        if step.sql is not None:
            yield f"{path}.sql.statement", step.sql.statement, code_pieces
