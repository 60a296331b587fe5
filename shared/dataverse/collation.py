"""Whether accents count when an environment compares text.

An environment's collation follows its base language and never changes. Case never counts; accents count in some.
Source: Microsoft Learn, "Microsoft Dataverse language collations" (power-platform/admin/language-collations).
"""

from __future__ import annotations

ACCENT_SENSITIVE = frozenset(
    {
        1035, 1048, 1050, 1051, 1053, 1054, 1057, 1058, 1060, 1061, 1062, 1063, 1066, 1069, 1081, 1086, 1087, 1110,
        2055, 2057, 2064, 2074, 3079, 3081,
    }
)  # fmt: skip
"""Base languages (LCID) whose collation is `_CI_AS`. The page lists the United Kingdom's English beside 3081; its
LCID is 2057, so both stand here."""


def is_accent_sensitive(base_language: int) -> bool:
    """Whether `Café` and `Cafe` are two keys in an environment of this base language (an LCID).

    A language that is not listed counts as insensitive: two records that might be one are then set aside as
    duplicates where a person sees them, instead of one row being doubled unseen.
    """
    return base_language in ACCENT_SENSITIVE
