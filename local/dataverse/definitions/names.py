"""Names of tables and columns: which there can be, and which carry a publisher's prefix."""

from __future__ import annotations

import re

LOGICAL = r"[a-z][a-z0-9_]{0,99}"
"""A logical name."""
SCHEMA = r"[A-Za-z][A-Za-z0-9_]{0,99}"
"""A schema name, and that of an entity set."""
PREFIX = r"(?!mscrm)[A-Za-z][A-Za-z0-9]{1,7}_"
"""The prefix of a publisher.

Source: Microsoft Learn, "Publisher table reference" (customizationprefix, 2025).
"""
_PREFIXED = re.compile(f"(?!address[1-3]_){PREFIX}")


def prefixed(name: str) -> bool:
    """Whether a name is a publisher's (`new_tier`, `contoso_tier`), not the platform's (`name`, `address1_city`)."""
    return _PREFIXED.match(name) is not None
