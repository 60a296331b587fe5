"""The documents that tables come from: a file's YAML as plain values, by itself or over the built-in tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from itertools import count
from math import isfinite
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from local.dataverse.definitions.forms import BESIDE
from local.dataverse.definitions.mistakes import UnreadableError, shown

BUILT_IN = Path(__file__).parent.with_name("tables.yaml")
_DEEPEST, _MOST_VALUES = 30, 1_000_000


def plain(source: Path) -> dict[str, Any]:
    """A file's own members; names as text or number, dates as text.

    Raises:
        UnreadableError: it cannot be read, or is no table-definition file at all.
    """
    try:
        document = YAML(typ="safe", pure=True).load(source.read_text(encoding="utf-8"))
        found = _plain(document, 0, count())
    except (OSError, ValueError, YAMLError, RecursionError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else " ".join(str(cause).split()) or type(cause).__name__
        raise UnreadableError([f"{source}: cannot be read as YAML: {reason}"]) from None
    if not isinstance(found, dict):
        raise UnreadableError([f"{source}: found {shown(found)}; allowed: members, above all `tables`"])
    return {name: value for name, value in found.items() if name not in BESIDE}


def _plain(value: Any, depth: int, seen: Iterator[int]) -> Any:
    """A value with names that are text or numbers, dates and what is no finite number as text.

    Raises:
        ValueError: parts refer to each other without end.
    """
    if depth > _DEEPEST or next(seen) > _MOST_VALUES:
        raise ValueError("its parts refer to each other without end, or are too many")
    if isinstance(value, dict):
        return {_name(name): _plain(inner, depth + 1, seen) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1, seen) for inner in value]
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def _name(name: object) -> str | int:
    if isinstance(name, str) or type(name) is int:
        return name
    return shown(name)


def over(below: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """A file's members over the built-in ones: what it gives of a table is added to it, name by name."""
    found = dict(below) | dict(own)
    for word in ("tables", "option_sets", "many_to_many"):
        given, there = own.get(word), below.get(word, {})
        if given is None or isinstance(given, dict):
            found[word] = dict(there) | (given or {})
    if isinstance(own.get("tables"), dict):
        both = below["tables"].keys() & own["tables"].keys()
        found["tables"] |= {name: _extended(below["tables"][name], own["tables"][name]) for name in both}
    return found


def _extended(below: Mapping[str, Any], own: Any) -> Any:
    if not isinstance(own, dict):
        return own
    found = dict(below) | own
    for word in ("columns", "keys"):
        if own.get(word) is None or isinstance(own[word], dict):
            found[word] = dict(below.get(word) or {}) | (own.get(word) or {})
    if isinstance(own.get("rows"), list):
        found["rows"] = [*(below.get("rows") or ()), *own["rows"]]
    return found
