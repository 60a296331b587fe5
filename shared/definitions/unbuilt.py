"""The parts of a definition that do not run yet; `run` refuses a definition that uses one."""

from __future__ import annotations

from collections.abc import Iterator

from shared.definitions.connection import DataverseConnection
from shared.definitions.source import FileSource, SqlSource, path_kind
from shared.definitions.sync import SyncDefinition
from shared.values.problems import Problem

SOURCES_THAT_RUN = frozenset({"delimited", "json", "parquet", "sql"})
"""The kinds of source that are read today (of sql: sqlite only)."""


def unbuilt_parts(definition: SyncDefinition) -> list[Problem]:
    """One problem per used part that does not run yet. A schedule is none: the job also runs by hand."""
    return [
        *_source(definition),
        *_sign_in(definition.destination, "destination"),
        *_links(definition),
        *_after_and_beside(definition),
    ]


def _problem(path: str, part: str, remedy: str = "remove it") -> Problem:
    return Problem(path, f"{part} does not run yet", remedy)


def _source(definition: SyncDefinition) -> Iterator[Problem]:
    source = definition.source
    if source.type not in SOURCES_THAT_RUN:
        yield _problem("source.type", f"a {source.type} source", f"use one of {', '.join(sorted(SOURCES_THAT_RUN))}")
    if isinstance(source, SqlSource) and source.dialect != "sqlite":
        yield _problem("source.dialect", f"a {source.dialect} source", "use sqlite, or export to a file")
    if source.watermark is not None:
        yield _problem("source.watermark", "a watermark", "remove it; everything is read each time")
    path = source.path if isinstance(source, FileSource | SqlSource) else None
    if path is not None and (kind := path_kind(path)) != "local":
        yield _problem("source.path", f"a path of kind {kind}", "use a local file, or a file variable")


def _sign_in(connection: DataverseConnection, path: str) -> Iterator[Problem]:
    if len(connection.credentials) > 1:
        yield _problem(f"{path}.credentials", "a list of several credentials", "keep one")
    if connection.auth_kind != "client_secret":
        yield _problem(f"{path}.auth", f"auth: {connection.auth_kind}", "use client_id and client_secret")
    elif any(credential.certificate is not None for credential in connection.credentials):
        yield _problem(f"{path}.credentials", "a certificate", "use client_secret")


def _links(definition: SyncDefinition) -> Iterator[Problem]:
    for number, mapping in enumerate(definition.mappings):
        if mapping.link is not None and mapping.link.missing == "defer":
            yield _problem(f"mappings.{number}.link.missing", "missing: defer", "write reject or null")


def _after_and_beside(definition: SyncDefinition) -> Iterator[Problem]:
    if definition.listener is not None and definition.listener.enabled:
        yield _problem("listener.enabled", "a listener", "write enabled: false")
    for number, step in enumerate(definition.post_sync):
        yield _problem(f"post_sync.{number}", f"the step {step.name!r} after a job")
