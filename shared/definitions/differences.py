"""What differs between two texts, line by line, in bounded time.

Lines that stand once in both texts are matched first (the longest run of them in one order); what lies between them is
compared by the standard library's matcher as long as that is cheap. Beyond it, a stretch is told as replaced whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from itertools import zip_longest

AROUND = 3
"""Lines that are shown before and after a change."""
MOST_WORK = 4_000_000
"""Steps of the library's matcher for one difference, at most; a few hundred milliseconds."""

Block = tuple[int, int, int, int]
"""Lines of the old text (from, to) and of the new one (from, to), counted from 0, ends left out."""


class Kind(StrEnum):
    """What became of a line."""

    SAME = "same"
    CHANGED = "changed"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text, counted from 1, without its end."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the old text beside the one of the new text; None where one of them has none."""

    old: Line | None
    new: Line | None

    @property
    def kind(self) -> Kind:
        """What became of the line."""
        if self.old is None:
            return Kind.ADDED
        if self.new is None:
            return Kind.REMOVED
        return Kind.SAME if self.old.text == self.new.text else Kind.CHANGED

    @property
    def old_pieces(self) -> tuple[str, str, str]:
        """The old line as: the same as in the new one, what was changed, the same again."""
        return self._pieces(self.old, self.new)

    @property
    def new_pieces(self) -> tuple[str, str, str]:
        """The new line in the same three pieces."""
        return self._pieces(self.new, self.old)

    def _pieces(self, line: Line | None, other: Line | None) -> tuple[str, str, str]:
        if line is None or other is None:
            return ("", line.text if line is not None else "", "")
        longest = min(len(line.text), len(other.text))
        before = _whole(line.text, other.text, _alike(line.text, other.text, longest))
        backwards = line.text[::-1], other.text[::-1]
        after = _whole(*backwards, _alike(*backwards, longest - before))
        end = len(line.text) - after
        return line.text[:before], line.text[before:end], line.text[end:]


@dataclass(frozen=True, slots=True)
class Fold:
    """So many lines in a row that are not shown: because they are the same, or because it would be too much."""

    lines: int
    same: bool = True


@dataclass(frozen=True, slots=True)
class Difference:
    """Two texts beside each other, every line of both, in order."""

    rows: tuple[Row, ...]

    @property
    def removed(self) -> int:
        """Lines of the old text that are not in the new one."""
        return sum(row.kind in (Kind.REMOVED, Kind.CHANGED) for row in self.rows)

    @property
    def added(self) -> int:
        """Lines of the new text that were not in the old one."""
        return sum(row.kind in (Kind.ADDED, Kind.CHANGED) for row in self.rows)

    @property
    def same(self) -> bool:
        """Whether the texts are one."""
        return all(row.kind is Kind.SAME for row in self.rows)

    def folded(self, around: int = AROUND) -> Iterator[Row | Fold]:
        """What is changed with some lines around it; in place of the others, how many they are."""
        hidden = 0
        for row, is_shown in zip(self._lines, self._shown(around), strict=True):
            if not is_shown:
                hidden += 1
                continue
            if hidden:
                yield Fold(hidden)
                hidden = 0
            yield row
        if hidden:
            yield Fold(hidden)

    def few(self, most: int) -> Iterator[Row | Fold]:
        """As `folded`, but no more than so many rows; in place of the rest, how many they are."""
        shown, rest = 0, 0
        for one in self.folded():
            if shown < most:
                shown += 1
                yield one
            else:
                rest += one.lines if isinstance(one, Fold) else 1
        if rest:
            yield Fold(rest, same=False)

    def _shown(self, around: int) -> list[bool]:
        shown = [False] * len(self._lines)
        for number, row in enumerate(self._lines):
            if row.kind is not Kind.SAME:
                for near in range(max(0, number - around), min(len(shown), number + around + 1)):
                    shown[near] = True
        return shown

    @property
    def _lines(self) -> tuple[Row, ...]:
        """The rows that people see: without what stands behind the last line's end, where that is nothing in both."""
        last = self.rows[-1]
        return self.rows[:-1] if last.old and last.new and not last.old.text and not last.new.text else self.rows


def difference(old: str, new: str) -> Difference:
    """The two texts line by line."""
    before, after = old.split("\n"), new.split("\n")
    return Difference(tuple(row for block in _blocks(before, after) for row in _rows(before, after, block)))


def _rows(old: Sequence[str], new: Sequence[str], block: Block) -> Iterator[Row]:
    left = [Line(number + 1, old[number]) for number in range(block[0], block[1])]
    right = [Line(number + 1, new[number]) for number in range(block[2], block[3])]
    for one, other in zip_longest(left, right):
        yield Row(one, other)


def _blocks(old: Sequence[str], new: Sequence[str]) -> Iterator[Block]:
    """Stretches that cover both texts, in order: of equal lines, or of lines that take each other's place."""
    work = MOST_WORK
    place = (0, 0)
    for one, other in [*_anchors(old, new), (len(old), len(new))]:
        gap = _shrunken(old, new, (place[0], one, place[1], other))
        yield (place[0], gap[0], place[1], gap[2])
        steps = _steps(old, new, gap)
        if steps <= work:
            work -= steps
            yield from _matched(old, new, gap)
        else:
            yield gap
        yield (gap[1], min(one + 1, len(old)), gap[3], min(other + 1, len(new)))
        place = (one + 1, other + 1)


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Lines that stand once in each text, as many as keep one order; and what stands behind the last line's end."""
    once = {line for line, count in Counter(old).items() if count == 1}
    once &= {line for line, count in Counter(new).items() if count == 1}
    places = {line: number for number, line in enumerate(new) if line in once}
    pairs = [(number, places[line]) for number, line in enumerate(old) if line in once]
    found = _rising(pairs)
    end = (len(old) - 1, len(new) - 1)
    return [*found, end] if old[-1] == new[-1] == "" and end not in found[-1:] else found


def _rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest choice of the pairs whose second members rise as the first ones do."""
    ends: list[int] = []
    tops: list[int] = []
    before: list[int | None] = []
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(ends, place)
        before.append(tops[pile - 1] if pile else None)
        ends[pile : pile + 1] = [place]
        tops[pile : pile + 1] = [number]
    found: list[tuple[int, int]] = []
    last: int | None = tops[-1] if tops else None
    while last is not None:
        found.append(pairs[last])
        last = before[last]
    return found[::-1]


def _shrunken(old: Sequence[str], new: Sequence[str], block: Block) -> Block:
    """The stretch without the lines that are the same at its two ends."""
    top, end, new_top, new_end = block
    while top < end and new_top < new_end and old[top] == new[new_top]:
        top, new_top = top + 1, new_top + 1
    while top < end and new_top < new_end and old[end - 1] == new[new_end - 1]:
        end, new_end = end - 1, new_end - 1
    return top, end, new_top, new_end


def _steps(old: Sequence[str], new: Sequence[str], block: Block) -> int:
    """What the library's matcher may take for a stretch at worst: it looks at every pair of equal lines per match."""
    counts = Counter(new[block[2] : block[3]])
    lines = old[block[0] : block[1]]
    pairs = sum(counts[line] for line in lines)
    return min(len(lines), block[3] - block[2], pairs) * (len(lines) + pairs)


def _matched(old: Sequence[str], new: Sequence[str], block: Block) -> Iterator[Block]:
    matcher = SequenceMatcher(None, old[block[0] : block[1]], new[block[2] : block[3]], autojunk=False)
    for _, top, end, new_top, new_end in matcher.get_opcodes():
        yield block[0] + top, block[0] + end, block[2] + new_top, block[2] + new_end


def _alike(one: str, other: str, longest: int) -> int:
    """How many signs two texts begin with alike."""
    return next((number for number in range(longest) if one[number] != other[number]), longest)


def _whole(one: str, other: str, alike: int) -> int:
    """As many of the signs that are alike as are whole words."""
    if not any(text[alike : alike + 1].isalnum() for text in (one, other)):
        return alike
    while alike and (one[alike - 1].isalnum() or one[alike - 1] == "_"):
        alike -= 1
    return alike
