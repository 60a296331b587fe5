"""A first look at a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SourceSample:
    """A source's columns and DuckDB types in order, its first rows as texts, and about how many rows it has."""

    columns: Mapping[str, str]
    rows: tuple[tuple[str | None, ...], ...] = ()
    about: int | None = None
