"""How a sync's messages are read, and what a message may turn out to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from shared.values.events import Bucket, Operation
from shared.values.records import RejectType

Form = Literal["json", "cloudevents", "debezium", "dataverse"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a sync says about its messages.

    `columns` are the members to take, by their names in the source; `action` names the member with the operation;
    events that carry one of the `ignored_tags` come from the sync's own writes and are passed over.
    """

    form: Form
    columns: tuple[str, ...]
    action: str | None = None
    ignored_tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Told:
    """One event: column → text, None for null; what the message did not hold is absent."""

    operation: Operation
    record: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Passed:
    """Something that is no event for this sync, and why."""

    bucket: Bucket
    why: str


@dataclass(frozen=True, slots=True)
class Unit:
    """One record of a message before its members are taken: those of the first mapping that has them count."""

    members: tuple[dict[str, object], ...]
    operation: Operation


class RefusedError(ValueError):
    """A message, or one record of it, that can never be applied; the reason is a plain sentence."""

    def __init__(
        self, reason: str, *, type_: RejectType = RejectType.MALFORMED_ROW, column: str | None = None, found: str = ""
    ) -> None:
        super().__init__(reason)
        self.reason, self.type, self.column, self.found = reason, type_, column, found


UPSERTS = frozenset(
    [
        "insert",
        "inserted",
        "create",
        "created",
        "c",
        "i",
        "add",
        "added",
        "new",
        "r",
        "read",
        "snapshot",
        "upsert",
        "u",
        "update",
        "updated",
        "change",
        "changed",
        "modify",
        "modified",
        "merge",
    ]
)
DELETES = frozenset(["delete", "deleted", "d", "del", "remove", "removed"])


def operation_of(word: object, member: str) -> Operation:
    """The operation that a word names; case does not count.

    Raises:
        RefusedError: it is none of the known words, or no text.
    """
    text = word.strip().lower() if isinstance(word, str) else None
    if text in UPSERTS:
        return Operation.UPSERT
    if text in DELETES:
        return Operation.DELETE
    reason = f"the member {member!r} names no operation; known are insert, update, upsert and delete and their like"
    found = word[:100] if isinstance(word, str) else ""
    raise RefusedError(reason, type_=RejectType.UNKNOWN_ACTION, column=member, found=found)


def object_of(value: object, what: str) -> dict[str, object]:
    """The value, which has to be an object.

    Raises:
        RefusedError: it is something else.
    """
    if not isinstance(value, dict):
        raise RefusedError(f"{what} is {kind_of(value)}, not an object")
    return value


def items_of(value: object) -> Iterable[object]:
    """The items of a list; anything else is the only one."""
    return value if isinstance(value, list) else [value]


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, dict):
        return "an object"
    return "a list" if isinstance(value, list) else "a text" if type(value) is str else "a number"


def around(members: Mapping[str, object]) -> dict[str, object]:
    """What stands around a record, as columns may name it: `envelope.time`. So it never stands in for a member."""
    return {"envelope": dict(members)}
