"""Behaviour and listener: settings that contradict each other."""

from __future__ import annotations

from collections.abc import Iterator

from shared.definitions.behaviour import Deactivate, Expire
from shared.definitions.checks.columns import growing, unknown_column
from shared.definitions.sync import SyncDefinition
from shared.values.problems import Problem, Severity


def check(definition: SyncDefinition) -> list[Problem]:
    """Problems with the behaviour, the listener and the steps after a job."""
    return [
        *_dropped(definition),
        *_expire(definition),
        *_action(definition),
        *_listener(definition),
        *_steps(definition),
    ]


def _dropped(definition: SyncDefinition) -> Iterator[Problem]:
    behaviour = definition.behaviour
    if (behaviour.new, behaviour.changed, behaviour.dropped) == ("ignore", "ignore", "ignore"):
        yield Problem(
            "behaviour", "new, changed and dropped are all ignored", "nothing will be written", Severity.WARNING
        )
    if behaviour.dropped == "ignore":
        return
    path = "behaviour.dropped"
    if behaviour.strategy == "delta":
        yield Problem(
            path, "with strategy delta a record's absence means nothing", "write dropped: ignore, or strategy: full"
        )
    if definition.source.watermark is not None:
        yield Problem(
            path,
            "with a watermark only newer records are read, so every other row would look dropped",
            "write dropped: ignore, or remove source.watermark",
        )
    if behaviour.brakes.removals is None:
        yield Problem(
            "behaviour.brakes.removals",
            "rows may be removed without any limit",
            "state a share such as 5%",
            Severity.WARNING,
        )


def _expire(definition: SyncDefinition) -> Iterator[Problem]:
    dropped = definition.behaviour.dropped
    folded = [mapping.target.casefold() for mapping in definition.mappings]
    if isinstance(dropped, Expire):
        name, path = dropped.expire, "behaviour.dropped.expire"
        if name.casefold() == definition.destination.id_column.casefold():
            yield Problem(path, f"{name!r} is the id column", "name a date column")
        elif name.casefold() in folded:
            yield Problem(
                path, f"{name!r} is mapped, and would be overwritten by the source", "name a date column that is not"
            )
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
    column = definition.source.column(behaviour.action_column)
    if column is not None and column.type != "text":
        yield Problem(path, f"{behaviour.action_column!r} is of type {column.type}", "name a text column")


def _listener(definition: SyncDefinition) -> Iterator[Problem]:
    listener = definition.listener
    if listener is None:
        return
    for number, name in enumerate(listener.key):
        yield from unknown_column(definition, name, f"listener.key.{number}")
    if listener.version is not None:
        yield from growing(definition, listener.version, "listener.version")


def _steps(definition: SyncDefinition) -> Iterator[Problem]:
    seen: set[str] = set()
    for number, step in enumerate(definition.post_sync):
        if step.name in seen:
            yield Problem(
                f"post_sync.{number}.name", f"the name {step.name!r} is taken by an earlier step", "rename it"
            )
        seen.add(step.name)
