"""Looks into metadata's JSON without trusting its shape."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

Json = Mapping[str, object]


def text(row: Json, name: str, default: str = "") -> str:
    """A text member, or the default."""
    value = row.get(name)
    return value if isinstance(value, str) else default


def flag(row: Json, name: str, *, default: bool = False) -> bool:
    """A boolean member, plain or as a managed property (`{"Value": true}`)."""
    value = row.get(name)
    value = value.get("Value") if isinstance(value, dict) else value
    return value if isinstance(value, bool) else default


def whole(row: Json, name: str) -> int | None:
    """A whole number, or None."""
    value = row.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(row: Json, name: str) -> Decimal | None:
    """A number exactly as it reads, or None."""
    value = row.get(name)
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else None


def inner(row: Json, name: str) -> Json:
    """An object member, or an empty one."""
    value = row.get(name)
    return value if isinstance(value, dict) else {}


def objects(row: Json, name: str) -> list[Json]:
    """A list of objects, without what is none."""
    value = row.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def texts(row: Json, name: str) -> list[str]:
    """A list of texts, without what is none."""
    value = row.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def label(row: Json, name: str) -> str:
    """A label in the user's language, else the first there is."""
    found = inner(row, name)
    own = text(inner(found, "UserLocalizedLabel"), "Label")
    others = (text(item, "Label") for item in objects(found, "LocalizedLabels"))
    return own or next((other for other in others if other), "")
