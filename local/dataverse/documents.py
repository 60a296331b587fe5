"""JSON and YAML that people hand in (limits, faults, logic, webhooks) as values; every problem in one message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
"""What a dataclass that is read from a document carries as `__pydantic_config__`."""


class DocumentError(ValueError):
    """A document is not as described; each of `problems` names a member and what is wrong with it."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


def read[T](kind: type[T], document: object, where: str) -> T:
    """A value of `kind` from JSON or YAML; `where` begins the message.

    Raises:
        DocumentError: a member is unknown, missing or wrong.
    """
    try:
        found: T = TypeAdapter(kind).validate_python(document)
    except ValidationError as problems:
        told = [_told(kind, problem) for problem in problems.errors(include_url=False, include_input=False)]
        raise DocumentError(f"{where}: {'; '.join(told)}", [f"{where}: {problem}" for problem in told]) from None
    return found


def checked[T](value: T, where: str) -> T:
    """A value that was made in Python, looked at as one of a document is.

    Raises:
        DocumentError: a member is wrong.
    """
    members = {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]
    return read(type(value), members, where)


def _told(kind: type, problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "unexpected_keyword_argument":
        owner = _at(kind, problem["loc"][:-1])
        allowed = ", ".join(field.name for field in fields(owner)) if owner is not None else "other members"
        return f"{place}: found a member that is not known; allowed: {allowed}"
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _at(kind: Any, place: Sequence[Any]) -> Any:
    """The dataclass at a place of another one; None when there is none."""
    for part in place:
        if is_dataclass(kind) and part in (hints := get_type_hints(kind)):
            kind = next((one for one in _within(hints[part]) if is_dataclass(one)), None)
    return kind if is_dataclass(kind) else None


def _within(hint: Any) -> Iterator[Any]:
    yield hint
    for inner in get_args(hint):
        yield from _within(inner)
