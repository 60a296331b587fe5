"""How the environment's database compares text: case never counts, trailing blanks never, accents by base language.

Source: Microsoft Learn, "Dataverse language collations".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

Fold = Callable[[str | None], str | None]


def folded(text: str | None) -> str | None:
    """The text as an accent-insensitive environment compares it (`_CI_AI`)."""
    if text is None:
        return None
    if text.isascii():
        return text.rstrip(" ").lower()
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", plain).casefold().rstrip(" ")


def folded_with_accents(text: str | None) -> str | None:
    """The text as an accent-sensitive environment compares it (`_CI_AS`)."""
    if text is None:
        return None
    if text.isascii():
        return text.rstrip(" ").lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).rstrip(" ")
