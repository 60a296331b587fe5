"""The mappings of the form as rows: which column goes where, in which order, and which of them are the sync key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.definitions.document import Path, read_document
from shared.definitions.rewriting import arrange, put_each
from shared.definitions.rewriting.values import at
from shared.definitions.rewriting.writing import flow

_MAPPINGS = ("mappings",)
_KEY = ("behaviour", "key")


@dataclass(frozen=True, slots=True)
class Row:
    """One mapping, by its number (from 0). `fixed`: it is more than two columns, and is only shown.

    `more` is what stands there beside the two columns.
    """

    number: int
    source: str
    target: str
    more: str = ""
    fixed: bool = False
    key: bool = False


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """A row as a person left it; `number` is None of a new one. `place`: where it goes, from 1."""

    number: int | None
    source: str
    target: str
    place: int
    key: bool = False
    gone: bool = False


def rows_of(value: object) -> tuple[Row, ...]:
    """The mappings of a document's plain value."""
    found = at(value, _MAPPINGS)
    key = key_of(value) or []
    return tuple(_row(number, one, key) for number, one in enumerate(found)) if isinstance(found, list) else ()


def key_of(value: object) -> list[str] | None:
    """The sync key, when it is a plain list of names (or is not there yet)."""
    found = at(value, _KEY)
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        return found
    return None


def _row(number: int, one: object, key: Sequence[str]) -> Row:
    if not isinstance(one, dict):
        return Row(number, "", "", flow(one), fixed=True)
    source, target = one.get("source"), one.get("target")
    more = ", ".join(f"{name}: {flow(inner)}" for name, inner in one.items() if name not in ("source", "target"))
    plain = _is_name(source) and _is_name(target) and not isinstance(one.get("link"), dict)
    return Row(number, _shown(source), _shown(target), more, fixed=not plain, key=target in key)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and "\n" not in value and "\r" not in value


def _shown(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else flow(value)


def with_rows(text: str, answers: Sequence[RowAnswer]) -> str:
    """The text with the rows as they were left. Those that are not named stay, in front. Raises as `put`."""
    value = read_document(text).value
    rows = {row.number: row for row in rows_of(value)}
    left = [one for one in answers if one.number is None or one.number in rows]
    if not left:
        return text
    text = _with_cells(text, rows, left)
    if (key := key_of(value)) is not None:
        text = _with_key(text, key, rows, left)
    return _with_order(text, rows, left)


def _with_cells(text: str, rows: dict[int, Row], answers: Sequence[RowAnswer]) -> str:
    cells: dict[Path, object] = {}
    for answer in answers:
        row = rows[answer.number] if answer.number is not None else None
        if row is None or row.fixed or answer.gone:
            continue
        for name, before, after in (("source", row.source, answer.source), ("target", row.target, answer.target)):
            if before != after:
                cells[(*_MAPPINGS, row.number, name)] = after
    return put_each(text, cells)


def _with_key(text: str, key: Sequence[str], rows: dict[int, Row], answers: Sequence[RowAnswer]) -> str:
    """Columns of the key go with their rows, are renamed with them, and stay where no row is theirs."""
    by_target: dict[str, RowAnswer] = {}
    added: list[str] = []
    for answer in answers:
        row = rows[answer.number] if answer.number is not None else None
        if row is not None and row.target in key:
            by_target.setdefault(row.target, answer)
        elif answer.key and not answer.gone and (name := _target(row, answer)):
            added.append(name)
    order: list[object] = []
    for place, name in enumerate(key):
        theirs = by_target.get(name)
        if theirs is None:
            order.append(place)
        elif theirs.key and not theirs.gone:
            after = _target(rows.get(theirs.number) if theirs.number is not None else None, theirs)
            order.append(place if after == name else after)
    return arrange(text, _KEY, [*order, *dict.fromkeys(added)])


def _target(row: Row | None, answer: RowAnswer) -> str:
    return row.target if row is not None and row.fixed else answer.target


def _with_order(text: str, rows: dict[int, Row], answers: Sequence[RowAnswer]) -> str:
    named = {one.number for one in answers}
    order: list[object] = [number for number in rows if number not in named]
    for answer in sorted((one for one in answers if not one.gone), key=lambda one: one.place):
        if answer.number is not None:
            order.append(answer.number)
        elif answer.source or answer.target:
            order.append({"source": answer.source, "target": answer.target})
    return arrange(text, _MAPPINGS, order)
