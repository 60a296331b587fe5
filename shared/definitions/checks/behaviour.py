"""Behaviour and listener: settings that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from shared.definitions.behaviour import Deactivate, Expire
from shared.definitions.checks.columns import column_of, growing, mapping_of, unknown_column
from shared.definitions.checks.heard import heard
from shared.definitions.source import FileSource
from shared.definitions.sync import SyncDefinition
from shared.values.problems import Problem, Severity


def check(definition: SyncDefinition) -> list[Problem]:
    """Problems with the behaviour, the listener and the steps after a job."""
    rules = (
        _idle,
        _delta,
        _incremental,
        _new_files,
        _unlimited,
        _unheeded,
        _expire,
        _deactivate,
        _action,
        _listener,
        _version,
        _steps,
    )
    return [problem for rule in rules for problem in heard(rule(definition))]


def _idle(definition: SyncDefinition) -> Iterator[Problem]:
    behaviour = definition.behaviour
    if (behaviour.new, behaviour.changed, behaviour.dropped) == ("ignore", "ignore", "ignore"):
        yield Problem(
            "behaviour", "new, changed and dropped are all ignored", "nothing will be written", Severity.WARNING
        )


def _delta(definition: SyncDefinition) -> Iterator[Problem]:
    if definition.behaviour.dropped != "ignore" and definition.behaviour.strategy == "delta":
        yield Problem(
            "behaviour.dropped",
            "with strategy delta a record's absence means nothing",
            "write dropped: ignore, or strategy: full",
        )


def _incremental(definition: SyncDefinition) -> Iterator[Problem]:
    if definition.behaviour.dropped != "ignore" and definition.source.watermark is not None:
        yield Problem(
            "behaviour.dropped",
            "with a watermark only newer records are read, so every other row would look dropped",
            "write dropped: ignore, or remove source.watermark",
        )


def _new_files(definition: SyncDefinition) -> Iterator[Problem]:
    source = definition.source
    if isinstance(source, FileSource) and source.processed == "skip" and definition.behaviour.strategy == "full":
        yield Problem(
            "source.processed",
            "with strategy full the records of files that are skipped would look dropped",
            "write processed: again, or strategy: delta",
        )


def _unlimited(definition: SyncDefinition) -> Iterator[Problem]:
    if definition.behaviour.dropped != "ignore" and definition.behaviour.brakes.removals is None:
        yield Problem(
            "behaviour.brakes.removals",
            "rows may be removed without any limit",
            "state a share such as 5%",
            Severity.WARNING,
        )


def _unheeded(definition: SyncDefinition) -> Iterator[Problem]:
    """Rules that were stated for something that cannot happen in this sync."""
    behaviour, remedy = definition.behaviour, "remove it, or state what it is for"
    if behaviour.deletes != "follow" and behaviour.action_column is None and definition.listener is None:
        found = "nothing asks for a delete: there is neither an action_column nor a listener"
        yield Problem("behaviour.deletes", found, remedy, Severity.WARNING)
    if behaviour.returned == "ignore" and isinstance(behaviour.dropped, str):
        found = f"no row returns: with dropped: {behaviour.dropped} none is expired or deactivated"
        yield Problem("behaviour.returned", found, remedy, Severity.WARNING)
    if definition.destination.change_tracking and definition.reads_a_part:
        found = "a sync that reads a part of its source reads the rows of its records only"
        yield Problem("destination.change_tracking", found, "remove it: it is of no use here", Severity.WARNING)


def _expire(definition: SyncDefinition) -> Iterator[Problem]:
    dropped = definition.behaviour.dropped
    if not isinstance(dropped, Expire):
        return
    name, path = dropped.expire, "behaviour.dropped.expire"
    if mapping_of(definition, name) is not None:
        yield Problem(
            path, f"{name!r} is mapped, and would be overwritten by the source", "name a date column that is not"
        )
    elif name.casefold() == definition.destination.id_column.casefold():
        yield Problem(path, f"{name!r} is the id column", "name a date column")


def _deactivate(definition: SyncDefinition) -> Iterator[Problem]:
    dropped = definition.behaviour.dropped
    folded = [mapping.target.casefold() for mapping in definition.mappings if mapping.stands("target")]
    status = [name for name in ("statecode", "statuscode") if name in folded]
    if isinstance(dropped, Deactivate) and status:
        yield Problem(
            "behaviour.dropped",
            f"dropped rows are deactivated and {status[0]} is mapped as well",
            "the source's state wins for records it holds; make sure that is meant",
            Severity.WARNING,
        )


def _action(definition: SyncDefinition) -> Iterator[Problem]:
    behaviour = definition.behaviour
    if behaviour.action_column is None:
        return
    path = "behaviour.action_column"
    yield from unknown_column(definition, behaviour.action_column, path)
    column = column_of(definition, behaviour.action_column)
    if column is not None and column.type != "text":
        yield Problem(path, f"{behaviour.action_column!r} is of type {column.type}", "name a text column")


def _listener(definition: SyncDefinition) -> Iterator[Problem]:
    listener = definition.listener
    if listener is None:
        return
    for number, name in enumerate(listener.key):
        yield from unknown_column(definition, name, f"listener.key.{number}")
    if listener.action is not None and listener.format in ("debezium", "dataverse"):
        found = f"messages of format {listener.format} name the operation themselves"
        yield Problem("listener.action", found, "remove it")
    if listener.ignore_tags and listener.format != "dataverse":
        yield Problem("listener.ignore_tags", f"messages of format {listener.format} carry no tag", "remove it")


def _version(definition: SyncDefinition) -> Iterator[Problem]:
    listener = definition.listener
    if listener is not None and listener.version is not None:
        yield from growing(definition, listener.version, "listener.version")


def _steps(definition: SyncDefinition) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, step in enumerate(definition.post_sync):
        if not step.stands("name"):
            continue
        if step.name in seen:
            yield Problem(
                f"post_sync.{number}.name", f"the name {step.name!r} is taken by an earlier step", "rename it"
            )
        seen.add(step.name)
