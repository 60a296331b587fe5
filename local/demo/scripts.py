"""Which of a city's many names is the one in its country's own script, where that can be told."""

from __future__ import annotations

from collections.abc import Sequence

_HAN = ("\u4e00", "\u9fff")
_HANGUL = ("\uac00", "\ud7a3")
_ARABIC = ("\u0620", "\u064a")
_DEVANAGARI = ("\u0900", "\u097f")

_SCRIPTS: dict[str, tuple[str, tuple[str, str]]] = {
    "JP": ("shift_jis", _HAN),
    "CN": ("gb2312", _HAN),
    "TW": ("big5", _HAN),
    "KR": ("euc_kr", _HANGUL),
    "RU": ("koi8_r", ("\u0401", "\u0451")),
    "GR": ("iso8859_7", ("\u0384", "\u03ce")),
    "TH": ("tis_620", ("\u0e01", "\u0e4e")),
    "IL": ("iso8859_8", ("\u05d0", "\u05ea")),
    "GE": ("utf_8", ("\u10d0", "\u10f0")),
    "AM": ("utf_8", ("\u0531", "\u0587")),
    "BD": ("utf_8", ("\u0980", "\u09df")),
    "NP": ("utf_8", _DEVANAGARI),
    "ET": ("utf_8", ("\u1200", "\u135a")),
    "KH": ("utf_8", ("\u1780", "\u17d3")),
    "LA": ("utf_8", ("\u0e81", "\u0edd")),
    **dict.fromkeys(("AE", "DZ", "EG", "IQ", "JO", "KW", "LB", "LY", "OM"), ("iso8859_6", _ARABIC)),
    **dict.fromkeys(("QA", "SA", "SD", "SY", "TN", "YE"), ("iso8859_6", _ARABIC)),
}
"""By country: an old encoding that holds the letters of its language only, and the range of its script.

The names carry no language, but 東京 can be written in the Japanese encoding and 东京 cannot.
"""
_BETWEEN = " -'"


def own_script_name(country: str, names: Sequence[str]) -> str | None:
    """The name in the country's own script; None when there is none, or when several could be meant.

    Where one name begins others, it is the name: 東京 and 東京都.
    """
    if country not in _SCRIPTS:
        return None
    fitting = [name for name in names if _fits(name, *_SCRIPTS[country])]
    ranked = sorted(((sum(other.startswith(name) for other in fitting), name) for name in fitting), reverse=True)
    alone = len(ranked) == 1 or (
        _SCRIPTS[country][1] in (_HAN, _HANGUL) and len(ranked) > 1 and ranked[0][0] > ranked[1][0]
    )
    return ranked[0][1] if alone else None


def _fits(name: str, encoding: str, script: tuple[str, str]) -> bool:
    first, last = script
    if not name or not all(first <= sign <= last or sign in _BETWEEN for sign in name):
        return False
    try:
        name.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
