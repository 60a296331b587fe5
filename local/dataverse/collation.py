"""How the environment's database compares text: case never counts, trailing blanks never, accents by base language.

Letters that are two letters in one (æ, œ, þ, ĳ, ß, ligatures) equal the two, half and full width are one, and so are
hiragana and katakana: the collations of Dataverse name neither width nor kana. What differs: ø, đ, ł and ı stay letters
of their own here, and text is sorted by character, not by an alphabet.

Source: Microsoft Learn, "Dataverse language collations" and "Collation and Unicode support".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache

Fold = Callable[[str | None], str | None]
LANGUAGE = 1033
"""The base language (an LCID) of an environment that says nothing of it: English."""
ACCENTS_COUNT = frozenset(
    {
        1035, 1048, 1050, 1051, 1053, 1054, 1057, 1058, 1060, 1061, 1062, 1063, 1066, 1069, 1081, 1086, 1087, 1110,
        2055, 2057, 2064, 2074, 3079, 3081,
    }
)  # fmt: skip
"""Base languages whose collation is `_CI_AS`. The page lists the United Kingdom's English beside 3081; its LCID is
2057, so both stand here. Written down by itself: a list shared with the product could not find an error in it."""

_KANA_MARKS = "\u3099\u309a"
"""The voiced and semi-voiced sound marks make another letter of a kana: they are no accents."""
_MARKS = dict.fromkeys(
    number for number in range(0x300, 0x1EB00) if unicodedata.combining(chr(number)) and chr(number) not in _KANA_MARKS
)
_FORMS = re.compile("[\uff00-\uffef\ufb00-\ufb06\u0132\u0133]+")
"""Half and full width, and Latin ligatures."""
_EQUALS = str.maketrans(
    {"æ": "ae", "œ": "oe", "þ": "th"} | {chr(kana): chr(kana - 0x60) for kana in range(0x30A1, 0x30F7)}
)
_SHORT = 100
"""Characters of a text whose folding is remembered: a query folds the same names again and again."""


def fold_of(language: int) -> Fold:
    """How an environment of this base language (an LCID) compares text."""
    return folded_with_accents if language in ACCENTS_COUNT else folded


def folded(text: str | None) -> str | None:
    """The text as an accent-insensitive environment compares it (`_CI_AI`)."""
    if text is None:
        return None
    if text.isascii():
        return text.rstrip(" ").lower()
    return _remembered(text) if len(text) <= _SHORT else _without_accents(text)


def folded_with_accents(text: str | None) -> str | None:
    """The text as an accent-sensitive environment compares it (`_CI_AS`)."""
    if text is None:
        return None
    if text.isascii():
        return text.rstrip(" ").lower()
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFC", _usual(text)).casefold())
    return unicodedata.normalize("NFC", plain.translate(_EQUALS)).rstrip(" ")


def _without_accents(text: str) -> str:
    plain = unicodedata.normalize("NFD", _usual(text)).translate(_MARKS)
    again = unicodedata.normalize("NFD", plain.casefold()).translate(_MARKS)
    return unicodedata.normalize("NFC", again.translate(_EQUALS)).rstrip(" ")


_remembered = lru_cache(maxsize=50_000)(_without_accents)


def _usual(text: str) -> str:
    return _FORMS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
