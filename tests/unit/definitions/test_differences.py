"""Differences between two texts: true to both, with little shown, in bounded time."""

from __future__ import annotations

import random
from collections import Counter
from difflib import SequenceMatcher

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.definitions import differences
from shared.definitions.differences import Difference, Fold, Kind, Row, difference
from tests.examples import examples

TEXT = st.text("ab: \n\ré𝄞", max_size=40)
LINES = st.lists(st.sampled_from(["a", "b", "c", "  d: 1", "", "x\r", "y\x0cz"]), max_size=30)


def sides(found: Difference) -> tuple[str, str]:
    """The two texts, put together again."""
    old = "\n".join(row.old.text for row in found.rows if row.old is not None)
    new = "\n".join(row.new.text for row in found.rows if row.new is not None)
    return old, new


@settings(max_examples=examples(100))
@given(old=LINES, new=LINES)
def test_both_texts_can_be_rebuilt(old: list[str], new: list[str]) -> None:
    """The two sides, put together, are the two texts; numbers count up; equal texts have no change."""
    found = difference("\n".join(old), "\n".join(new))
    assert sides(found) == ("\n".join(old), "\n".join(new))
    assert [row.old.number for row in found.rows if row.old] == list(range(1, max(len(old), 1) + 1))
    assert [row.new.number for row in found.rows if row.new] == list(range(1, max(len(new), 1) + 1))
    assert found.same == ("\n".join(old) == "\n".join(new))


@settings(max_examples=examples(100))
@given(old=TEXT, new=TEXT)
def test_pieces_are_the_lines(old: str, new: str) -> None:
    """A line's three pieces make the line, and what lies around the change is the same on both sides."""
    for row in difference(old, new).rows:
        assert "".join(row.old_pieces) == (row.old.text if row.old else "")
        assert "".join(row.new_pieces) == (row.new.text if row.new else "")
        if row.kind is Kind.CHANGED:
            assert (row.old_pieces[0], row.old_pieces[2]) == (row.new_pieces[0], row.new_pieces[2])


@settings(max_examples=examples(100))
@given(old=LINES, new=LINES, around=st.integers(0, 4))
def test_folds_hide_only_what_is_the_same(old: list[str], new: list[str], around: int) -> None:
    """Every changed row is shown, and rows with folds count as many as there are."""
    found = difference("\n".join(old), "\n".join(new))
    shown = list(found.folded(around))
    assert [one for one in shown if isinstance(one, Row) and one.kind is not Kind.SAME] == [
        row for row in found.rows if row.kind is not Kind.SAME
    ]
    at_end = all(not text or text.endswith("\n") for text in ("\n".join(old), "\n".join(new)))
    assert sum(one.lines if isinstance(one, Fold) else 1 for one in shown) == len(found.rows) - at_end


def test_a_small_change_is_told_as_such() -> None:
    """One changed line, one more and one less are just that."""
    found = difference("name: a\ntitle: Old\nx: 1\ny: 2\nz: 3\n", "name: a\ntitle: New\nx: 1\nz: 3\nzz: 4\n")
    kinds = [row.kind for row in found.rows]
    assert kinds == [Kind.SAME, Kind.CHANGED, Kind.SAME, Kind.REMOVED, Kind.SAME, Kind.ADDED, Kind.SAME]
    assert (found.removed, found.added) == (2, 2)
    assert found.rows[1].old_pieces == ("title: ", "Old", "")
    renamed = difference("  - { target: new_citycode }", "  - { target: new_code }").rows[0]
    assert renamed.old_pieces == ("  - { target: ", "new_citycode", " }")
    longer = difference("a\n\n", "a\n\nb\n")
    assert [row.kind for row in longer.rows] == [Kind.SAME, Kind.SAME, Kind.ADDED, Kind.SAME]


def test_a_great_difference_is_shown_in_part() -> None:
    """So many rows and no more; the rest is counted."""
    found = difference("a\n" * 50, "b\n" * 50)
    shown = list(found.few(10))
    assert shown[:10] == list(found.rows[:10])
    assert shown[10:] == [Fold(40, same=False)]
    assert list(found.few(100)) == list(found.folded())


def dense(lines: list[str]) -> str:
    """As many of the lines as a definition may have characters."""
    return "\n".join(lines)[:200_000]


HARD = {
    "every second line": (
        dense([f"{n}" for n in range(40_000)]),
        dense([f"{n}" if n % 2 else f"x{n}" for n in range(40_000)]),
    ),
    "one line only": ("a\n" * 100_000, "a\n" * 99_000 + "b"),
    "two lines": ("a\nb\n" * 50_000, "b\nb\na\n" * 33_333),
    "shuffled": (
        dense([str(n % 5000) for n in range(40_000)]),
        dense([str(n) for n in random.Random(1).choices(range(5000), k=40_000)]),
    ),
    "one long line": ("a" * 200_000, "a" * 99_999 + "b" + "a" * 100_000),
}


@pytest.mark.parametrize("case", HARD)
def test_the_work_is_bounded(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The longest texts that are allowed, of the kinds that matchers take long for: the slow matcher sees little."""
    old, new = HARD[case]
    work: list[int] = []

    def counted(junk: None, one: list[str], other: list[str], *, autojunk: bool) -> SequenceMatcher[str]:
        counts = Counter(other)
        pairs = sum(counts[line] for line in one)
        work.append(min(len(one), len(other), pairs) * (len(one) + pairs))
        return SequenceMatcher(junk, one, other, autojunk=autojunk)

    monkeypatch.setattr(differences, "SequenceMatcher", counted)
    assert sides(difference(old, new)) == (old, new)
    assert sum(work) <= 4_000_000
