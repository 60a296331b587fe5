"""The variables of a replay: those of the jobs that set the records aside, as the definition knows them by now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.definitions.source import SqlSource
from shared.definitions.sync import SyncDefinition
from shared.errors import RefuseError
from shared.ports import State

_NAMED = re.compile(r"@([A-Za-z_][A-Za-z0-9_]*)")


def variables_of(state: State, definition: SyncDefinition, jobs: Sequence[str]) -> dict[str, str]:
    """The variables for a replay of what some jobs set aside.

    One that the definition got since has its default, and one that it has no more is left out. Where the jobs were
    given different files, and nothing but the reading of the source asks for them, those of the last job are told.

    Raises:
        RefuseError: the jobs were given different values that a replay needs, or one that it needs has no default.
    """
    needed = _needed(definition)
    given = [_as_known_now(definition, needed, dict(state.get(job_id).variables), job_id) for job_id in jobs]
    differing = [name for name in definition.variables if name in needed and len({one[name] for one in given}) > 1]
    if differing:
        raise RefuseError(
            f"these rejects come of jobs with other values of {', '.join(differing)}; replay them job by job: "
            f"{', '.join(jobs)}"
        )
    return given[-1]


def given_these(
    state: State, definition: SyncDefinition, jobs: Iterable[str], variables: Mapping[str, str]
) -> Iterator[str]:
    """The jobs that were given the same values of what a replay needs."""
    needed = _needed(definition) & definition.variables.keys()
    for job_id in jobs:
        given = _as_known_now(definition, needed, dict(state.get(job_id).variables), job_id)
        if all(given[name] == variables.get(name) for name in needed):
            yield job_id


def _needed(definition: SyncDefinition) -> set[str]:
    """The variables that tell which records were meant, and those that something beside the reading of the source asks.

    The records are kept, so nobody looks again for their file, address or rows in a database.
    """
    source = definition.source
    read = source.columns if isinstance(source, SqlSource) else (*source.columns, source.filter)
    texts = [str(part) for part in read]
    texts.append(definition.model_dump_json(exclude={"source", "variables"}))
    named = {name for text in texts for name in _NAMED.findall(text)}
    chosen = {name for name, variable in definition.variables.items() if not variable.file and not variable.formula}
    return (named & definition.variables.keys()) | chosen


def _as_known_now(definition: SyncDefinition, needed: set[str], kept: Mapping[str, str], job_id: str) -> dict[str, str]:
    known = {name: kept.get(name, variable.default) for name, variable in definition.variables.items()}
    missing = [name for name, value in known.items() if value is None and name in needed]
    if missing:
        raise RefuseError(
            f"job {job_id}, which set these records aside, was given no {', '.join(missing)}, which the definition "
            "asks for by now; give it a `default` there, or run the sync again"
        )
    return {name: value or "" for name, value in known.items()}
