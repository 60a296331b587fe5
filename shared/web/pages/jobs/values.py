"""Field values as a page shows them: whole, in one place, with signs for what nobody can see, and what differs marked.

A value is cut into pieces, and the templates escape each; no piece holds a character that turns or hides its
neighbours.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from shared.values.changes import Action
from shared.values.plans import FieldChange

SHORT = 160
"""Characters of a value that are seen at once; the rest is folded away."""
MOST = 50_000
"""Characters of one value that a page holds; the whole of a longer one is in the download."""
LEAD_IN = 40
SMALL = 24
"""Up to so many characters, two values that differ are marked whole: a part of a number says nothing."""
_VISIBLE = {"\n": ("↵\n", "line end"), "\t": ("⇥\t", "tab"), "\r": ("␍", "carriage return")}


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters. `sign`: what it stands for, where that cannot be seen; `differs`: from the other value."""

    text: str
    sign: str = ""
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """One value. `empty`: it is null. `folded`: the whole of a long one, `cut`: its beginning; `length`: all of it."""

    pieces: tuple[Piece, ...] = ()
    empty: bool = False
    label: str = ""
    folded: tuple[Piece, ...] = ()
    length: int = 0
    cut: int = 0


@dataclass(frozen=True, slots=True)
class ShownField:
    """One column of a change. `before` is None where there was no row, `after` None where there will be none."""

    column: str
    before: Shown | None
    after: Shown | None


def shown_field(field: FieldChange, action: Action) -> ShownField:
    """A column of a change: a created row has no values before, a deleted one none afterwards."""
    old, new = value_text(field.old), value_text(field.new)
    if action is Action.CREATE:
        return ShownField(field.column, None, shown(new, label=field.new_label))
    if action is Action.DELETE:
        return ShownField(field.column, shown(old, label=field.old_label), None)
    marks = differing(old or "", new or "")
    return ShownField(
        field.column,
        shown(old, label=field.old_label, differs=marks[0]),
        shown(new, label=field.new_label, differs=marks[1]),
    )


def value_text(value: object) -> str | None:
    """A field's value as text; None when it is empty."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def differing(old: str, new: str) -> tuple[range, range]:
    """Which characters of either are not common to both: all between the same beginning and the same end."""
    if max(len(old), len(new)) <= SMALL and old != new:
        return range(len(old)), range(len(new))
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    return range(head, len(old) - tail), range(head, len(new) - tail)


def _alike(old: str, new: str) -> int:
    """With how many characters both begin. A value may have a million, so whole runs are compared."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def shown(text: str | None, *, label: str | None = None, differs: range | None = None) -> Shown:
    """A value as it is shown; `differs` are the characters that the other value has not."""
    if text is None:
        return Shown(empty=True)
    marked = differs or range(0)
    whole = tuple(pieces(text[:MOST], marked))
    if len(text) <= SHORT:
        return Shown(whole, label=label or "", length=len(text))
    begin = max(0, marked.start - LEAD_IN) if marked and marked.start > SHORT - LEAD_IN else 0
    seen = text[begin : begin + SHORT]
    part = range(marked.start - begin, min(marked.stop - begin, len(seen)))
    lead = (Piece("…"),) if begin else ()
    rest = (Piece("…"),) if begin + SHORT < len(text) else ()
    cut = MOST if len(text) > MOST else 0
    return Shown((*lead, *pieces(seen, part), *rest), label=label or "", folded=whole, length=len(text), cut=cut)


def pieces(text: str, differs: range = range(0)) -> Iterator[Piece]:
    """The text in runs: what can be seen, and signs for what cannot."""
    edge = len(text) - len(text.rstrip(" "))
    front = len(text) - len(text.lstrip(" "))

    def sort(place: int) -> tuple[str, bool]:
        char = text[place]
        at_edge = char == " " and (place < front or place >= len(text) - edge)
        hidden = at_edge or not char.isprintable()
        return (char if hidden else "", place in differs)

    for (hidden, marked), places in groupby(range(len(text)), sort):
        run = "".join(text[place] for place in places)
        yield _signed(run, marked) if hidden else Piece(run, "", marked)


def _signed(run: str, marked: bool) -> Piece:
    """A run of one character that nobody can see."""
    char, times = run[0], len(run)
    if char == " ":
        return Piece("␣" * times, "blank", marked)
    sign, name = _VISIBLE.get(char) or (f"U+{ord(char):04X}", unicodedata.name(char, "control character").lower())
    return Piece(sign * times, name, marked)
