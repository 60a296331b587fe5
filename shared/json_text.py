"""JSON read without losing a digit: numbers keep their text, a member named twice is told.

The standard library's reader is used for its hooks; DuckDB's and orjson's readers turn `1.10` into `1.1`.
"""

from __future__ import annotations

import json


class Number(str):
    """A number as its digits stand in the text."""

    __slots__ = ()


class Twice(dict[str, object]):
    """An object in which `member` stands twice: nobody can tell which of the values counts."""

    __slots__ = ("member",)
    member: str


class TwiceError(ValueError):
    """A value holds an object in which a member stands twice; the message says which."""

    def __init__(self, found: Twice) -> None:
        super().__init__(f"the member {found.member!r} stands there twice; name it once")


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    twice = Twice(found)
    seen: set[str] = set()
    twice.member = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return twice


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON value")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=Number, parse_float=Number, parse_constant=_refuse)


def text_of(value: object) -> str | None:
    """A value as text: a text as it is, a number digit for digit, true or false, an object or list as JSON; null: None.

    Raises:
        TwiceError: an object in it names a member twice.
    """
    if value is None or type(value) is str:
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _written(value)


def _written(value: object) -> str:
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, Twice):
        raise TwiceError(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(name)}:{_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _quoted(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


ABSENT = object()
"""Stands for a member that is not there; null is a value."""
_SURROGATES = frozenset(map(chr, range(0xD800, 0xE000)))


def reach(record: dict[str, object], name: str, way: list[str] | None) -> object:
    """A member by its name, else by the way through objects that a name with dots is; `ABSENT` where it is not there.

    Raises:
        TwiceError: an object on the way names a member twice.
    """
    value = record.get(name, ABSENT)
    if value is not ABSENT or way is None:
        return value
    value = record
    for step in way:
        if isinstance(value, Twice):
            raise TwiceError(value)
        value = value.get(step, ABSENT) if isinstance(value, dict) else ABSENT
    return value


def storable(text: str) -> bool:
    """Whether every store can hold the text: no NUL character, no half of a surrogate pair."""
    return "\0" not in text and (text.isascii() or not _SURROGATES & set(text))
