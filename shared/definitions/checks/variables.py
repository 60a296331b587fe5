"""Variables: every one that is named exists, formulas can be read, and none needs itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from shared.definitions.checks.heard import heard
from shared.definitions.formulas import Formula, parse_formula
from shared.definitions.mapping import ColumnMapping
from shared.definitions.ordering import circle
from shared.definitions.post_sync import JOB_VARIABLES, PostSyncStep
from shared.definitions.source import DataverseSource, FileSource, RestSource, SqlSource
from shared.definitions.sync import SyncDefinition
from shared.expressions.probe import pattern_complaint
from shared.nearest import nearest
from shared.values.problems import Problem
from shared.variables import Piece, code_pieces, names, template_pieces

_Named = tuple[str, str, Callable[[str], list[Piece]]]
"""A text that may name variables: its path, itself, and how it is read."""


def check(definition: SyncDefinition) -> list[Problem]:
    """Problems with variables and the texts that name them (expressions are checked where they are parsed)."""
    return [problem for rule in (_formulas, _reserved, _unknown) for problem in heard(rule(definition))]


def _formulas(definition: SyncDefinition) -> Iterator[Problem]:
    needs: dict[str, list[str]] = {}
    for name, variable in definition.variables.items():
        if not variable.stands("formula") or variable.formula is None:
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
    for texts in _texts(definition):
        yield from heard(_unknown_in(definition, texts))


def _unknown_in(definition: SyncDefinition, texts: Iterator[_Named]) -> Iterator[Problem]:
    for path, text, pieces in texts:
        yield from _missing(definition, names(pieces(text)), path)


def _missing(definition: SyncDefinition, used: set[str], path: str) -> Iterator[Problem]:
    known = set(definition.variables) | set(JOB_VARIABLES if path.startswith("post_sync.") else ())
    for name in sorted(used - known):
        near = nearest(name, known)
        remedy = f"did you mean @{near}?" if near else f"declare it under variables: {name}: {{ }}"
        yield Problem(path, f"there is no variable @{name}", remedy)


def _texts(definition: SyncDefinition) -> Iterator[Iterator[_Named]]:
    """Every text that may hold variables and is no expression of ours; each group is broken or whole by itself."""
    yield _destination_filter(definition)
    yield _path(definition)
    yield _request(definition)
    yield _own_query(definition)
    yield _own_filter(definition)
    if definition.stands("mappings"):
        yield from (_where(mapping, f"mappings.{number}") for number, mapping in enumerate(definition.mappings))
    if definition.stands("post_sync"):
        for number, step in enumerate(definition.post_sync):
            path = f"post_sync.{number}"
            yield from (_parameters(step, path), _call(step, path), _statement(step, path), _chain(step, path))


def _destination_filter(definition: SyncDefinition) -> Iterator[_Named]:
    yield "destination.filter", definition.destination.filter or "", code_pieces


def _where(mapping: ColumnMapping, path: str) -> Iterator[_Named]:
    if mapping.link is not None and mapping.link.where is not None:
        yield f"{path}.link.where", mapping.link.where, code_pieces


def _path(definition: SyncDefinition) -> Iterator[_Named]:
    if isinstance(definition.source, FileSource | SqlSource):
        yield "source.path", definition.source.path or "", template_pieces


def _request(definition: SyncDefinition) -> Iterator[_Named]:
    source = definition.source
    if isinstance(source, RestSource):
        yield "source.url", source.url, template_pieces
        yield "source.body", source.body or "", template_pieces
        for name, value in source.headers.items():
            yield f"source.headers.{name}", value if isinstance(value, str) else "", template_pieces


def _own_query(definition: SyncDefinition) -> Iterator[_Named]:
    if isinstance(definition.source, SqlSource):
        yield "source.query", definition.source.query or "", code_pieces


def _own_filter(definition: SyncDefinition) -> Iterator[_Named]:
    if isinstance(definition.source, SqlSource | DataverseSource):
        yield "source.filter", definition.source.filter or "", code_pieces


def _parameters(step: PostSyncStep, path: str) -> Iterator[_Named]:
    for name, value in step.parameters.items():
        yield f"{path}.parameters.{name}", value if isinstance(value, str) else "", template_pieces


def _call(step: PostSyncStep, path: str) -> Iterator[_Named]:
    if step.http is not None:
        yield f"{path}.http.url", step.http.url, template_pieces
        yield f"{path}.http.body", step.http.body or "", template_pieces


def _chain(step: PostSyncStep, path: str) -> Iterator[_Named]:
    if step.sync is not None:
        for name, value in step.sync.variables.items():
            yield f"{path}.sync.variables.{name}", value, template_pieces


def _statement(step: PostSyncStep, path: str) -> Iterator[_Named]:
    if step.sql is not None:
        yield f"{path}.sql.statement", step.sql.statement, code_pieces
