"""The rows: one SQLite table per Dataverse table, with a real column per column, and one transaction per request."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import orjson

from local.dataverse.collation import LANGUAGE, fold_of
from local.dataverse.metadata import kept
from local.dataverse.partitions import ROW, definition, row_column
from local.dataverse.tables import TEXTS, Column, Key, Kind, ManyToMany, Table, Tables
from shared.sql import identifier, literal

_STORED_AS = {
    Kind.INTEGER: "INTEGER",
    Kind.BIGINT: "INTEGER",
    Kind.DECIMAL: "INTEGER",
    Kind.MONEY: "INTEGER",
    Kind.BOOLEAN: "INTEGER",
    Kind.CHOICE: "INTEGER",
    Kind.STATE: "INTEGER",
    Kind.STATUS: "INTEGER",
    Kind.DOUBLE: "REAL",
}
_UNINDEXED = frozenset(
    ("createdby", "modifiedby", "createdonbehalfby", "modifiedonbehalfby", "ownerid", "transactioncurrencyid")
)


_WAIT_S = 2.0
"""How long a start waits for a file: the server before may still be closing it."""
EXPIRY = "unixepoch(modifiedon) + ttlinseconds"
"""When the time of an elastic table's row is over, in seconds; null when it lives on."""


class CannotOpenError(Exception):
    """The file for the rows cannot be used; the message says which and why."""


class Store:
    """The database of one local environment. Not for several threads at once: the caller holds the lock.

    `language` is the base language of a new one (an LCID, English by default); a file keeps its own for ever.

    Raises:
        CannotOpenError: the file is no database, cannot be written, or belongs to another language.
    """

    def __init__(self, tables: Tables, file: Path | None = None, *, language: int | None = None) -> None:
        self.tables = tables
        self.language = language or LANGUAGE
        self._depth = 0
        self._marked: tuple[Tables, str] | None = None
        try:
            self._db = sqlite3.connect(
                file or ":memory:", timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise _cannot_open(file, error) from None
        try:
            self._prepare(file, language)
        except (sqlite3.Error, ValueError) as error:
            self._db.close()
            raise _cannot_open(file, error) from None

    def _prepare(self, file: Path | None, language: int | None) -> None:
        self._db.create_function("resembles", 2, _resembles, deterministic=True)
        self._db.create_function("next_version", 0, lambda: self.versions(1)[0])
        self._settle(file is not None)
        self._speak(language)
        kept.prepare(self)
        self.tables = kept.overlaid(self, self.tables)
        for table in self.tables.by_name.values():
            self.define(table)
        for pair in self.tables.pairs:
            self.define_pairs(pair)
        self._version = int(str(self.value('SELECT version FROM "~local"')))

    def close(self) -> None:
        """Closes the database."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, the table definitions too; a transaction inside a transaction belongs to the outer one."""
        if self._depth:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._depth = 1
        tables = self.tables
        try:
            yield
            self._db.execute('UPDATE "~local" SET version = ?', (self._version,))
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            self.tables = tables
            raise
        finally:
            self._depth = 0

    @contextmanager
    def step(self) -> Iterator[None]:
        """A part of a transaction that is undone by itself when it fails."""
        self._db.execute("SAVEPOINT step")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO step")
            raise
        finally:
            self._db.execute("RELEASE step")

    @property
    def version(self) -> int:
        """The newest row version."""
        return self._version

    @property
    def metadata_version(self) -> str:
        """What the service calls the global metadata version: it changes with every change of the definitions."""
        if self._marked is None or self._marked[0] is not self.tables:
            self._marked = (self.tables, kept.mark(self.tables))
        return self._marked[1]

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; what happens now may be rolled back."""
        return self._depth > 0

    def versions(self, count: int) -> range:
        """The next row versions, each used once; they only grow."""
        first = self._version + 1
        self._version += count
        return range(first, first + count)

    def all(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Every row of a query."""
        return self._db.execute(statement, values).fetchall()

    def value(self, statement: str, values: Sequence[object] = ()) -> object:
        """The first column of the first row, None without one."""
        row = self._db.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def run(self, statement: str, values: Sequence[object] = ()) -> int:
        """Runs one statement; the number of rows it changed."""
        return self._db.execute(statement, values).rowcount

    def run_many(self, statement: str, rows: Iterator[tuple[object, ...]]) -> int:
        """Runs one statement per row; the number of rows it changed."""
        return self._db.executemany(statement, rows).rowcount

    def _settle(self, on_disk: bool) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")  # two servers would count the row versions past each other
        self._db.execute("BEGIN IMMEDIATE")  # says at once when nothing may be written
        self._db.execute("ROLLBACK")
        for setting in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-65536") if on_disk else ():
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute('CREATE TABLE IF NOT EXISTS "~local" (version INTEGER NOT NULL)')
        self._db.execute(
            'CREATE TABLE IF NOT EXISTS "~deleted" ("table" TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, '
            'PRIMARY KEY ("table", id)) WITHOUT ROWID'
        )
        if self.value('SELECT count(*) FROM "~local"') == 0:
            self._db.execute('INSERT INTO "~local" VALUES (1000000)')

    def _speak(self, language: int | None) -> None:
        """Settles the base language, and by it how text is compared: the indexes of a file hold it folded.

        Raises:
            ValueError: the file belongs to another language.
        """
        known = int(str(self.value("PRAGMA user_version")))
        if known == 0 and self.value("SELECT count(*) FROM sqlite_master WHERE name = '~metadata'"):
            known = LANGUAGE  # a file from before there was a choice
        if known and language not in (None, known):
            raise ValueError(
                f"its base language is {known}, {language} was asked for, and the language of an environment never "
                f"changes; leave the language out, or say {known}"
            )
        self.language = known or language or LANGUAGE
        self._db.execute(f"PRAGMA user_version={int(self.language)}")
        self._db.create_function("fold", 1, fold_of(self.language), deterministic=True)

    def define(self, table: Table) -> None:
        """Makes room for a table's rows and the columns that are new, and indexes them."""
        present = {str(row[1]) for row in self.all(f"PRAGMA table_info({identifier(table.name)})")}
        wanted = [definition for column in table.columns.values() for definition in stored_columns(column)]
        if not present:
            inner = ", ".join(f"{identifier(name)} {kind}" for name, kind in wanted)
            self._db.execute(f"CREATE TABLE {identifier(table.name)} ({inner})")
        for name, kind in wanted:
            if present and name not in present:
                self._db.execute(f"ALTER TABLE {identifier(table.name)} ADD COLUMN {identifier(name)} {kind}")
        if table.elastic and ROW not in {row[1] for row in self.all(f"PRAGMA table_xinfo({identifier(table.name)})")}:
            self._db.execute(f"ALTER TABLE {identifier(table.name)} ADD COLUMN {identifier(ROW)} {definition(table)}")
        self._index(table)
        self._remember_deletes(table)

    def define_pairs(self, pair: ManyToMany) -> None:
        """Makes room for the pairs of a relationship of many to many."""
        name = identifier(pair.intersect)
        first, second = identifier(pair.first.column), identifier(pair.second.column)
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {name} ({first} TEXT NOT NULL, {second} TEXT NOT NULL, "
            f"PRIMARY KEY ({first}, {second})) WITHOUT ROWID"
        )
        index = identifier(f"{pair.intersect}.second")
        self._db.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {name} ({second})")

    def _remember_deletes(self, table: Table) -> None:
        """Keeps the id and a version of every row that is deleted, whoever deletes it: change tracking tells of it."""
        name, trigger = literal(table.name), identifier(f"{table.name}.deleted")
        key = identifier(row_column(table))
        if table.elastic:
            self._db.execute(f"DROP TRIGGER IF EXISTS {trigger}")  # one of an earlier version kept the id alone
        self._db.execute(
            f"CREATE TRIGGER IF NOT EXISTS {trigger} AFTER DELETE ON {identifier(table.name)} BEGIN "
            f'INSERT INTO "~deleted" VALUES ({name}, OLD.{key}, next_version()) '
            f"ON CONFLICT DO UPDATE SET version = excluded.version; END"
        )

    def _index(self, table: Table) -> None:
        name = identifier(table.name)
        own = identifier(f"{table.name}.id")
        if table.elastic:
            if (f"{table.name}.id", 1) in {(row[1], row[2]) for row in self.all(f"PRAGMA index_list({name})")}:
                self._db.execute(f"DROP INDEX {own}")  # of an earlier version: ids were unique in the table
            self._db.execute(f"CREATE INDEX IF NOT EXISTS {own} ON {name} ({identifier(table.id_column)})")
        self._unique(f"{table.name}.row" if table.elastic else f"{table.name}.id", name, identifier(row_column(table)))
        if "createdon" in table.columns:
            index = identifier(table.name + ".createdon")
            self._db.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {name} (createdon)")
        if table.elastic:
            index = identifier(table.name + ".expiry")
            self._db.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {name} ({EXPIRY})")
        for key in table.keys:
            if key.active:
                self._unique(f"{table.name}.key.{key.name}", name, key_terms(table, key))
        for column in table.columns.values():
            if column.is_lookup and column.name not in _UNINDEXED:
                term = identifier(column.name)
                index = identifier(f"{table.name}.lookup.{column.name}")
                self._db.execute(f"CREATE INDEX IF NOT EXISTS {index} ON {name} ({term}) WHERE {term} IS NOT NULL")

    def _unique(self, index: str, table: str, terms: str) -> None:
        self._db.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {identifier(index)} ON {table} ({terms})")


def _cannot_open(file: Path | None, error: Exception) -> CannotOpenError:
    if file is not None and file.is_dir():
        reason = "it is a folder"
    elif file is not None and not file.parent.is_dir():
        reason = f"there is no folder {file.parent}"
    elif isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
        reason = "another program has it open, perhaps a local Dataverse that runs already"
    else:
        reason = str(error)
    return CannotOpenError(
        f"the rows cannot be kept in {file or 'memory'}: {reason}; name a new file, or a SQLite file of a local "
        "Dataverse, in a folder that may be written"
    )


def listed(ids: Iterable[str]) -> str:
    """Ids as one bound value, for `IN (SELECT value FROM json_each(?))`."""
    return orjson.dumps(list(ids)).decode()


def stored_columns(column: Column) -> list[tuple[str, str]]:
    """Name and SQLite type of what a column is stored as; a polymorphic lookup also stores its target's table."""
    own = (column.name, _STORED_AS.get(column.kind, "TEXT"))
    return [own, (type_name(column), "TEXT")] if column.is_polymorphic else [own]


def type_name(column: Column) -> str:
    """The stored column that names the target's table of a polymorphic lookup."""
    return f"{column.name}~table"


def compared(column: Column, alias: str = "") -> str:
    """The SQL by which a column is compared for equality: text by the environment's collation."""
    term = f"{alias}{identifier(column.name)}"
    return f"fold({term})" if column.kind in TEXTS else term


def key_terms(table: Table, key: Key) -> str:
    """The terms of an alternate key's index."""
    return ", ".join(compared(table.columns[name]) for name in key.columns)


def _resembles(text: str | None, pattern: str) -> bool:
    return text is not None and _pattern(pattern).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    """A LIKE pattern of SQL Server (`%`, `_`, `[a-z]`, `[^a]`) as a regular expression that never backtracks far."""
    runs = [""]
    for part in re.findall(r"\[\^?[^\]]+\]|.", pattern, re.DOTALL):
        if part == "%":
            runs.append("")
        else:
            runs[-1] += _term(part)
    first, middle, last = runs[0], runs[1:-1], runs[-1]
    text = first + "".join(f"(?>.*?{run})" for run in middle if run) + (f".*{last}" if len(runs) > 1 else "")
    try:
        return re.compile(text, re.DOTALL)
    except re.error:
        return re.compile(re.escape(pattern))


def _term(part: str) -> str:
    if len(part) > 1:
        negated = part.startswith("[^")
        inner = part[2 if negated else 1 : -1].replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
        return f"[{'^' if negated else ''}{inner}]"
    return "." if part == "_" else re.escape(part)
