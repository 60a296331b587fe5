"""A working memory that stays warm: what a batch has taught DuckDB about its statements serves the next one.

For a few rows, reading a statement's text and finding its columns and functions costs a hundred times what carrying it
out does. So a statement that comes again is prepared, and a table that is made again is emptied and filled: a new table
would make DuckDB look at every prepared statement anew. The statements are those of any other workspace, and what they
find is the same; only the work between text and answer is left out.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import duckdb

from shared.engine.workspace import Limits, Row, Workspace
from shared.sql import identifier, literal

MOST = 256
"""Statements that are kept prepared; the one that was used longest ago makes way."""
TIDY_EVERY = 100
"""Batches after which what was deleted is given back; until then DuckDB keeps it beside the tables."""
_MADE = re.compile(r"\s*CREATE OR REPLACE TABLE (?P<name>\w+) (?P<query>AS\s)?", re.ASCII)
_DROPPED = re.compile(r"\s*DROP TABLE (?P<name>\w+)\s*$", re.ASCII)
_READS_FILES = "read_json("
"""A statement over files is looked at anew each time, prepared or not."""

Shape = tuple[tuple[str, str], ...]
"""A table's columns and their types, in order."""


class WarmWorkspace(Workspace):
    """A workspace in memory for many small batches, one after another; not for several threads at once."""

    def __init__(self, folder: Path, *, limits: Limits) -> None:
        super().__init__(folder, limits=limits, kept=False)
        # Finding the best plan takes longer than carrying out any plan does on a few hundred rows.
        self._set(["PRAGMA disable_optimizer"])
        self._met: OrderedDict[str, None] = OrderedDict()
        self._names: OrderedDict[str, str | None] = OrderedDict()
        self._numbers = 0
        self._shapes: dict[str, Shape] = {}
        self._gives: OrderedDict[str, Shape] = OrderedDict()
        self._batches = 0

    def tidy(self) -> None:
        """Say that a batch is done; from time to time the room of what was deleted is given back."""
        self._batches += 1
        if self._batches % TIDY_EVERY == 0:
            with self._in_words():
                self._connection.execute("CHECKPOINT work").fetchall()

    def emptied(self, table: str) -> bool:
        """Empty a table; False when there is none of that name yet."""
        with self._in_words():
            if table in self._shapes:
                self._answered(f"DELETE FROM {table}")
        return table in self._shapes

    def _all(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        if made := _MADE.match(sql):
            return self._made(made, sql, parameters)
        if (dropped := _DROPPED.match(sql)) and dropped["name"] in self._shapes:
            return self._answered(f"DELETE FROM {dropped['name']}")  # the next batch makes it again
        return self._answered(sql, parameters)

    # ---- tables

    def _made(self, made: re.Match[str], sql: str, parameters: Mapping[str, object] | None) -> list[Row]:
        """Make a table: where it has the columns that this statement gives it, by emptying and filling it."""
        table, query = made["name"], sql[made.end() :] if made["query"] else ""
        gives = self._gives.get(sql)
        if gives is None or gives != self._shapes.get(table) or re.search(rf"\b{table}\b", query):
            return self._made_anew(table, sql, parameters)
        self._gives.move_to_end(sql)
        self._answered(f"DELETE FROM {table}")
        return self._answered(f"INSERT INTO {table} {query}", parameters) if query else []

    def _made_anew(self, table: str, sql: str, parameters: Mapping[str, object] | None) -> list[Row]:
        self._shapes.pop(table, None)
        found = super()._all(sql, parameters)
        self._forget_prepared()
        self._shapes[table] = self._gives[sql] = tuple(self._described(table))
        _forget(self._gives)
        return found

    def _described(self, table: str) -> list[tuple[str, str]]:
        return [(str(name), str(type_)) for name, type_, *_ in super()._all(f"DESCRIBE {identifier(table)}")]

    # ---- statements

    def _answered(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[Row]:
        given = parameters or {}
        name = self._name(sql) if _can_be_prepared(sql, given) else None
        if name is None:
            return super()._all(sql, given)
        texts = ", ".join(f"{key} := {literal(str(value))}" for key, value in given.items())
        return super()._all(f"EXECUTE {name}({texts})" if texts else f"EXECUTE {name}")

    def _name(self, sql: str) -> str | None:
        """The name under which a statement is prepared; None where it comes for the first time, or cannot be."""
        if sql in self._names:
            self._names.move_to_end(sql)
            return self._names[sql]
        if sql not in self._met:
            self._met[sql] = None
            _forget(self._met)
            return None
        del self._met[sql]
        self._names[sql] = self._prepare(sql)
        for left in _forget(self._names):
            super()._all(f"DEALLOCATE {left}")
        return self._names[sql]

    def _forget_prepared(self) -> None:
        """Let prepared statements go: after a new table DuckDB would look at each of them anew, every time it comes."""
        for sql, name in self._names.items():
            self._met[sql] = None
            if name is not None:
                super()._all(f"DEALLOCATE {name}")
        self._names.clear()
        _forget(self._met)

    def _prepare(self, sql: str) -> str | None:
        self._numbers += 1
        name = f"kept_{self._numbers}"
        try:
            super()._all(f"PREPARE {name} AS {sql}")
        except duckdb.Error:
            return None  # a few kinds of statements cannot be: they are carried out as they come
        return name


def _can_be_prepared(sql: str, given: Mapping[str, object]) -> bool:
    return _READS_FILES not in sql and all(isinstance(one, str) and "\0" not in one for one in given.values())


def _forget[Kept](some: OrderedDict[str, Kept]) -> list[Kept]:
    """Drop what was used longest ago beyond `MOST`; what was dropped and is something."""
    left = [some.popitem(last=False)[1] for _ in range(len(some) - MOST)]
    return [one for one in left if one is not None]
