"""Text is equal when the environment's database says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.dataverse.collation import folded, folded_with_accents


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Café", "CAFE  "),
        ("Straße", "STRASSE"),
        ("Ærø", "aerø"),
        ("Œuvre", "oeuvre"),
        ("Þór", "thor"),
        ("ĲSSEL", "ijssel"),
        ("ﬁn", "FIN"),
        ("ＡＢＣ１", "abc1"),
        ("ｶﾅ", "かな"),
        ("ΟΔΟΣ", "οδος"),
        ("İzmir", "izmir"),
        ("e\u0301", "é"),
    ],
)
def test_equal_without_accents(one: str, other: str) -> None:
    """Case, accents, width, kana and two-in-one letters do not count."""
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"), [("a", "b"), ("ø", "o"), ("ł", "l"), ("は", "ば"), ("a b", "ab"), (" a", "a")]
)
def test_different(one: str, other: str) -> None:
    """Other letters are others, and blanks count but at the end."""
    assert folded(one) != folded(other)


def test_accents_count_where_the_language_says_so() -> None:
    """`_CI_AS`: case and trailing blanks do not count, accents do, however they are written."""
    assert folded_with_accents("CAFÉ ") == folded_with_accents("cafe\u0301")
    assert folded_with_accents("café") != folded_with_accents("cafe")
    assert folded_with_accents("Æ") == folded_with_accents("ae")


@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    """A folded text is its own folding: what is stored in an index can be looked up by what was folded before."""
    for fold in (folded, folded_with_accents):
        assert fold(fold(text)) == fold(text)
        assert fold(text + " ") == fold(text)
