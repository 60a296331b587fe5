"""Lanes: which session a record's messages go through, so that they keep their order.

The function is simple on purpose, for publishers have to compute it too, in whatever language (docs/realtime.md).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from decimal import Context, Decimal

LANES = 64
"""How many lanes there are unless a setting says otherwise; all publishers of a queue use the same number."""


def lane_of(sync: str, key: Sequence[str], lanes: int = LANES) -> str:
    """The session id of a record: the first four bytes of SHA-256 over sync and key, modulo the number of lanes.

    `key` holds the texts of the listener's key columns, in the definition's order. Blanks at both ends are cut off and
    letters are made small (A to Z only), so that keys that Dataverse takes for one share a lane.
    """
    text = "\x1f".join([sync, *(_plain(part) for part in key)])
    number = int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:4])
    return f"lane-{number % lanes}"


def plain_number(text: str) -> str:
    """A number as it stands in a key: no sign +, no exponent, no zeros that say nothing; other text as it is.

    So `7`, `7.0` and `+07` are one key, as they are for the schema.
    """
    told = text.strip(" ")
    if _NUMBER.fullmatch(told) is None:
        return text
    value = Decimal(told)
    if not value:
        return "0"
    return text if abs(value.adjusted()) > _DIGITS else f"{value.normalize(_EXACT):f}"


_NUMBER = re.compile(r"[+-]?(\d{1,60}(\.\d{0,60})?|\.\d{1,60})([eE][+-]?\d{1,3})?", re.ASCII)
_DIGITS = 40
"""Beyond these no column holds a number."""
_EXACT = Context(prec=200)


def _plain(text: str) -> str:
    """Only what is the same in every language: ASCII blanks and letters."""
    return text.strip(" ").translate(_SMALL)


_SMALL = {ord(big): ord(big) + 32 for big in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
