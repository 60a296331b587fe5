"""JSON and YAML that people hand in (limits, faults, logic, webhooks) as values; every problem in one message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

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
        told = [_told(problem) for problem in problems.errors(include_url=False, include_input=False)]
        raise DocumentError(f"{where}: {'; '.join(told)}", [f"{where}: {problem}" for problem in told]) from None
    return found


def checked[T](value: T, where: str) -> T:
    """A value that was made in Python, looked at as one of a document is.

    Raises:
        DocumentError: a member is wrong.
    """
    members = {each.name: getattr(value, each.name) for each in fields(value)}  # type: ignore[arg-type]
    return read(type(value), members, where)


def _told(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])
