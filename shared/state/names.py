"""Names of jobs and of their files: plain words, so that none leads out of its folder."""

from __future__ import annotations

import re

from shared.errors import StateError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def checked(name: str, what: str) -> str:
    """The name itself. Raises `StateError` for one that is no plain word."""
    if not NAME.fullmatch(name):
        raise StateError(
            f"{name!r} is no {what}; allowed are letters, digits, dot, underscore and hyphen, "
            "the first a letter or digit, at most 128 characters"
        )
    return name
