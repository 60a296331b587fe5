"""The fingerprint as a file: written and read by DuckDB, with a stamp that says what it is of, and a sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from shared.engine.workspace import Workspace
from shared.mapping.compose import Target
from shared.sql import identifier, literal

NAME = "fingerprint.parquet"
_STAMP = "stamp"
_BITS = 60
"""Columns in one mask."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a fingerprint is of, and how old it is.

    `place`: the environment and table. `scope`: all that decides which rows there are and what their hashes mean.
    `link`: where change tracking goes on, given at `linked_at` or later; `read_at`: the last whole read. `rows` and
    `sum` of all rows prove that the file is whole.
    """

    place: str
    scope: str
    link: str
    linked_at: datetime
    read_at: datetime
    rows: int = 0
    sum: str = ""

    def to_json(self) -> str:
        """As it is stored."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> Stamp:
        """As it was stored.

        Raises:
            ValueError: it is none.
        """
        values: dict[str, Any] = orjson.loads(text)
        if set(values) != {field.name for field in fields(cls)}:
            raise ValueError("the stamp has other members")
        moments: dict[str, Any] = {name: datetime.fromisoformat(values.pop(name)) for name in ("linked_at", "read_at")}
        if None in (moment.tzinfo for moment in moments.values()):
            raise ValueError("the stamp's times have no zone")
        return cls(**values, **moments)


def masks(targets: Sequence[Target]) -> list[str]:
    """SQL over `present`, per mask column: one bit for each compared column that holds a value."""
    chunks = [targets[at : at + _BITS] for at in range(0, len(targets), _BITS)]
    return [" + ".join(_bit(target, number) for number, target in enumerate(chunk)) for chunk in chunks]


def _bit(target: Target, number: int) -> str:
    return f"CASE WHEN {identifier(target.name)} IS NOT NULL THEN {1 << number}::UBIGINT ELSE 0::UBIGINT END"


def filled(targets: Sequence[Target], table: str) -> str:
    """The query that counts, per compared column, the rows of a fingerprint that hold a value."""
    counts = [
        f"count(*) FILTER ((filled{at // _BITS} & {1 << at % _BITS}::UBIGINT) <> 0)" for at in range(len(targets))
    ]
    return f"SELECT {', '.join(counts)} FROM {table}"


def names(targets: Sequence[Target]) -> list[str]:
    """The columns of a fingerprint."""
    return ["id", "kh", "rh", *(f"filled{number}" for number in range(len(masks(targets))))]


def _sum(targets: Sequence[Target], table: str) -> str:
    return f"SELECT count(*), coalesce(bit_xor(hash({', '.join(names(targets))})), 0)::VARCHAR FROM {table}"


def write(workspace: Workspace, table: str, targets: Sequence[Target], stamp: Stamp, path: Path) -> None:
    """Write a table of the workspace as a fingerprint."""
    ((rows, found),) = workspace.rows(_sum(targets, table))
    stamp = Stamp(**{**_members(stamp), "rows": rows, "sum": found})
    columns = ", ".join(names(targets))
    said = f"KV_METADATA {{{_STAMP}: {literal(stamp.to_json())}}}"
    target = literal(str(path))
    workspace.run(f"COPY (SELECT {columns} FROM {table}) TO {target} (FORMAT parquet, COMPRESSION snappy, {said})")


def _members(stamp: Stamp) -> dict[str, Any]:
    return {field.name: getattr(stamp, field.name) for field in fields(Stamp)}


def stamp_of(workspace: Workspace, path: Path) -> Stamp:
    """The stamp of a file.

    Raises:
        ValueError: it has none.
        duckdb.Error: it is no Parquet file.
    """
    sql = "SELECT decode(value) FROM parquet_kv_metadata($path) WHERE decode(key) = $name"
    found = workspace.rows(sql, {"path": str(path), "name": _STAMP})
    if not found:
        raise ValueError("the fingerprint has no stamp")
    return Stamp.from_json(str(found[0][0]))


def load(workspace: Workspace, path: Path, table: str, targets: Sequence[Target], stamp: Stamp) -> None:
    """Fill a table of the workspace from a file.

    Raises:
        ValueError: rows are missing, or are not those that were written.
        duckdb.Error: the file cannot be read.
    """
    columns = ", ".join(names(targets))
    workspace.run(f"CREATE OR REPLACE TABLE {table} AS SELECT {columns} FROM read_parquet($path)", {"path": str(path)})
    if workspace.rows(_sum(targets, table)) != [(stamp.rows, stamp.sum)]:
        raise ValueError("the fingerprint's rows are not those that were written")
