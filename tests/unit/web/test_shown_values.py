"""Field values on a page: whole, harmless, with what differs marked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.values.changes import Action
from shared.values.plans import FieldChange
from shared.web.pages.jobs.rejects import cells
from shared.web.pages.jobs.values import LEAD_IN, MOST, SHORT, Piece, Shown, differing, pieces, shown, shown_field

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


def plain(found: tuple[Piece, ...]) -> str:
    return "".join(piece.text for piece in found)


@given(TEXTS)
def test_no_piece_hides_or_turns_its_neighbours(text: str) -> None:
    """Every character is there, itself or by its sign; what cannot be seen never stands unsigned."""
    found = list(pieces(text))
    assert all(piece.text.isprintable() for piece in found if not piece.sign)
    assert all(set(piece.text) <= set("↵⇥\n\t␍␣U+0123456789ABCDEF") for piece in found if piece.sign)
    seen = "".join(piece.text for piece in found if not piece.sign)
    at_edges = len(text) - len(text.strip(" ")) if text.strip(" ") else len(text)
    assert len(seen) == sum(char.isprintable() for char in text) - at_edges
    if text.isprintable() and text == text.strip(" "):
        assert plain(tuple(found)) == text


@given(TEXTS, TEXTS)
def test_what_is_not_marked_is_the_same(old: str, new: str) -> None:
    """Without the marked characters both values are equal; two equal ones have no mark."""
    gone, come = differing(old, new)
    assert old[: gone.start] + old[gone.stop :] == new[: come.start] + new[come.stop :]
    assert (len(gone) + len(come) == 0) == (old == new)


def test_signs_for_what_nobody_sees() -> None:
    """Line ends, tabs, blanks at an edge, and every mark that turns the text around."""
    told = [(piece.text, piece.sign) for piece in pieces(" a\u202eb\r\nc\u00a0\u200b\x00d\t ")]
    assert told == [
        ("␣", "blank"), ("a", ""), ("U+202E", "right-to-left override"), ("b", ""), ("␍", "carriage return"),
        ("↵\n", "line end"), ("c", ""), ("U+00A0", "no-break space"), ("U+200B", "zero width space"),
        ("U+0000", "control character"), ("d", ""), ("⇥\t", "tab"), ("␣", "blank"),
    ]  # fmt: skip


def test_a_long_value_is_folded_and_whole() -> None:
    """Its beginning is seen, the rest is there; of two that part late, the place where they part."""
    text = "x" * 10_000
    told = shown(text)
    assert (plain(told.pieces), plain(told.folded), told.length) == ("x" * SHORT + "…", text, 10_000)
    old, new = "a" * 5000 + "old" + "z" * 5000, "a" * 5000 + "fresh" + "z" * 5000
    field = shown_field(FieldChange("note", old, new), Action.UPDATE)
    assert field.before is not None
    assert field.after is not None
    for side, part in ((field.before, "old"), (field.after, "fresh")):
        assert [piece.text for piece in side.pieces if piece.differs] == [part]
        assert plain(side.pieces).startswith("…" + "a" * LEAD_IN + part)
        assert [piece.text for piece in side.folded if piece.differs] == [part]


def test_null_absent_and_empty_are_three() -> None:
    """An empty field says so; a side without a row has no value at all; an empty text is a text."""
    made = shown_field(FieldChange("name", None, None), Action.CREATE)
    assert made.before is None
    assert made.after == Shown(empty=True)
    gone = shown_field(FieldChange("name", "A", None), Action.DELETE)
    assert gone.after is None
    assert shown("") == Shown()
    cleared = shown_field(FieldChange("name", "A", None), Action.UPDATE)
    assert cleared.after == Shown(empty=True)
    assert cleared.before is not None
    assert not cleared.before.empty


def test_values_of_every_type() -> None:
    """Numbers and yes/no as JSON writes them, a choice by its label; a short value is marked as a whole."""
    field = shown_field(FieldChange("tier", 1, 2, "Silver", "Gold"), Action.UPDATE)
    assert field.before == Shown((Piece("1", "", True),), label="Silver", length=1)
    assert field.after == Shown((Piece("2", "", True),), label="Gold", length=1)
    yes = shown_field(FieldChange("vip", False, True), Action.UPDATE)
    assert yes.after is not None
    assert plain(yes.after.pieces) == "true"
    long = shown_field(FieldChange("name", "Contoso Nederland B.V.  I", "Contoso Nederland N.V.  I"), Action.UPDATE)
    assert long.after is not None
    assert [piece.text for piece in long.after.pieces if piece.differs] == ["N"]


def test_a_record_is_shown_whatever_the_source_told() -> None:
    """Cell by cell; what is no record is a text, however deep it says it is."""
    deep = "[" * 100_000
    assert list(cells(deep)) == [("", shown(deep))]
    assert list(cells('{"a": null, "b": {"c": 1}}')) == [("a", shown(None)), ("b", shown('{"c": 1}'))]
    assert list(cells("[1]")) == [("", shown("[1]"))]
    assert list(cells(None)) == []


def test_a_value_beyond_all_measure_is_cut() -> None:
    """Its beginning is there, and how long it is; what differs is found in it all the same."""
    long = "a" * 3_000_000
    found = shown(long)
    assert (sum(len(piece.text) for piece in found.folded), found.cut, found.length) == (MOST, MOST, len(long))
    assert differing(long, long + "b") == (range(len(long), len(long)), range(len(long), len(long) + 1))
    assert shown("a" * MOST).cut == 0
