from __future__ import annotations

import unicodedata

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.canonical import form_of, key_form, key_text
from shared.values.tables import Column, ColumnKind

KEY = form_of(Column("code", "Code", ColumnKind.TEXT, "String"))
TRICKY = st.text(alphabet="aAàÅéßẞςΣσİıſ \t\u0301\u0323\u0345\u034fกิก็िा北が゙ｱŉﬁ", max_size=8)
ANY = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def by_sql(texts: list[str], *, accent_sensitive: bool) -> list[str]:
    with duckdb.connect() as connection:
        sql = f"SELECT {key_form(KEY, 't', accent_sensitive=accent_sensitive)} FROM (SELECT unnest($texts) AS t)"
        return [str(row[0]) for row in connection.execute(sql, {"texts": texts}).fetchall()]


@pytest.mark.parametrize("accent_sensitive", [True, False])
def test_python_and_sql_fold_every_sign_alike(accent_sensitive: bool) -> None:
    """A key is folded to the same text inside the engine's tables and outside, whatever sign it holds."""
    signs = [chr(n) for n in range(1, 0x30000) if not 0xD800 <= n <= 0xDFFF]

    folded = by_sql(signs, accent_sensitive=accent_sensitive)

    assert folded == [key_text(sign, accent_sensitive=accent_sensitive) for sign in signs]


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(TRICKY | ANY, min_size=1, max_size=60), accent_sensitive=st.booleans())
def test_python_and_sql_fold_every_text_alike(texts: list[str], accent_sensitive: bool) -> None:
    """Signs together are folded alike too: marks that combine, blanks before them, letters that change length."""
    folded = by_sql(texts, accent_sensitive=accent_sensitive)

    assert folded == [key_text(text, accent_sensitive=accent_sensitive) for text in texts]


@settings(max_examples=30, deadline=None)
@given(text=TRICKY | ANY, accent_sensitive=st.booleans())
def test_folding_is_settled_after_once_and_knows_no_composition(text: str, accent_sensitive: bool) -> None:
    """Composed and decomposed texts are one key, and a folded key stays as it is."""
    once = key_text(text, accent_sensitive=accent_sensitive)

    assert key_text(once, accent_sensitive=accent_sensitive) == once
    assert key_text(unicodedata.normalize("NFD", text), accent_sensitive=accent_sensitive) == once


@pytest.mark.parametrize(
    ("one", "other", "insensitive", "sensitive"),
    [
        ("Café", "CAFE  ", True, False),
        ("Café", "cafe\u0301", True, True),
        ("Straße", "STRASSE", True, True),
        ("ΟΔΟΣ", "οδος", True, True),
        ("Ærø", "ÆRØ", True, True),
        ("กิ", "กี", False, False),
        ("कि", "का", False, False),
        (" a", "a", False, False),
    ],
)
def test_which_texts_are_one_key(one: str, other: str, insensitive: bool, sensitive: bool) -> None:
    """Case never makes another key, accents by the environment; vowel signs are letters and always do."""
    assert (key_text(one, accent_sensitive=False) == key_text(other, accent_sensitive=False)) is insensitive
    assert (key_text(one, accent_sensitive=True) == key_text(other, accent_sensitive=True)) is sensitive
