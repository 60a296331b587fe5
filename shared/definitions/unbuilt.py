"""The parts of a definition that do not run yet; `run` refuses a definition that uses one."""

from __future__ import annotations

from collections.abc import Iterator

from shared.definitions.checks.heard import heard
from shared.definitions.reach import blob_container
from shared.definitions.source import FileSource, SqlSource, path_kind
from shared.definitions.sync import SyncDefinition
from shared.values.problems import Problem
from shared.variables import render, template_pieces

SOURCES_THAT_RUN = frozenset({"delimited", "excel", "fixed_width", "json", "parquet", "sql"})
"""The kinds of source that are read today."""


def unbuilt_parts(definition: SyncDefinition) -> list[Problem]:
    """One problem per used part that does not run yet; of a broken definition, those that can be told."""
    rules = (
        _source,
        _path,
    )
    return [problem for rule in rules for problem in heard(rule(definition))]


def _problem(path: str, part: str, remedy: str = "remove it and the sync runs") -> Problem:
    return Problem(path, f"{part} does not run yet", remedy)


def _source(definition: SyncDefinition) -> Iterator[Problem]:
    kind = definition.source.type
    if kind not in SOURCES_THAT_RUN:
        yield _problem("source.type", f"a {kind} source", f"use one of {', '.join(sorted(SOURCES_THAT_RUN))}")


def _path(definition: SyncDefinition) -> Iterator[Problem]:
    """A path that begins with a variable leads where its default does; without one, where is told when a job starts."""
    source = definition.source
    template = source.path if isinstance(source, FileSource | SqlSource) else None
    path = _with_defaults(template, definition) if template is not None else None
    if path is not None and (kind := path_kind(path)) != "local" and not _in_storage(source, path):
        yield _problem("source.path", f"a path of kind {kind}", "use a local file, or a file variable")


def _with_defaults(template: str, definition: SyncDefinition) -> str:
    def default(name: str) -> str:
        variable = definition.variables.get(name)
        return (variable.default if variable else None) or f"@{name}"

    return render(template_pieces(template), default)


def _in_storage(source: object, path: str) -> bool:
    return isinstance(source, FileSource) and blob_container(path) is not None
