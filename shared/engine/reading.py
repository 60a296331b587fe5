"""Reads the destination into the workspace: pages are spooled as they come and loaded several at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import orjson

from shared import reconcile
from shared.engine.workspace import Row, Workspace
from shared.mapping.build import Prepared
from shared.sql import identifier

PAGES_AT_A_TIME = 16
"""Pages loaded by one statement: enough to keep both cores busy."""
GROUP_BYTES = 48 << 20
"""A group of pages is closed at this size, however few they are: they take that much of the disk while they wait."""
KEY_READS = 5000
"""Up to this many keys are looked up one by one (in `In` filters) instead of reading the table."""
_WAITING = 1
"""Groups that wait while one is fetched and one is loaded. More of them are written to the disk before they go,
where memory is bounded, and that takes a tenth of a job's time."""

Told = Callable[[int], None]
PageRows = bytes | memoryview
"""The JSON array of one page."""


class PagesAhead:
    """Pages of rows, fetched ahead by a thread of their own and spooled as files; iterate over groups of them.

    Enter it to begin. Up to three groups are on disk: one being fetched, one waiting, one in use. An error of the
    fetch is raised where the groups are asked for. Pages are numbered from `first`.
    """

    def __init__(self, workspace: Workspace, name: str, pages: Iterable[PageRows], *, first: int = 0) -> None:
        self._workspace, self._name, self._pages, self._first = workspace, name, pages, first
        self._waiting: queue.Queue[list[Path] | BaseException | None] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._fetcher = threading.Thread(target=self._fetch, name="dynsync-pages", daemon=True)

    def __enter__(self) -> Self:
        self._fetcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        while self._fetcher.is_alive():
            self._drain()
            self._fetcher.join(0.05)

    def __iter__(self) -> Iterator[list[Path]]:
        while (group := self._waiting.get()) is not None:
            if isinstance(group, BaseException):
                raise group
            yield group
            for file in group:
                file.unlink()

    def _fetch(self) -> None:
        try:
            with closing(self._groups()) as groups:
                for group in groups:
                    self._waiting.put(group)
                    if self._stop.is_set():
                        return
            self._waiting.put(None)
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that reads, and raised there
            self._waiting.put(error)

    def _groups(self) -> Generator[list[Path]]:
        group: list[Path] = []
        size = 0
        for number, page in enumerate(self._pages, start=self._first):
            group.append(self._workspace.spooled(f"{self._name}/{number}.json", page))
            size += len(page)
            if len(group) == PAGES_AT_A_TIME or size >= GROUP_BYTES:
                yield group
                group, size = [], 0
        if group:
            yield group

    def _drain(self) -> None:
        while not self._waiting.empty():
            self._waiting.get_nowait()


def load(workspace: Workspace, table: str, select: str, pages: PagesAhead, *, told: Told | None = None) -> int:
    """Append pages to `table` through `select` (a query over `$files`); returns the rows loaded.

    `told` is called with the rows so far.
    """
    rows = 0
    for files in pages:
        rows += workspace.run(f"INSERT INTO {identifier(table)} {select}", {"files": [str(file) for file in files]})
        if told:
            told(rows)
    return rows


def load_all(workspace: Workspace, table: str, select: str, pages: Iterable[PageRows], *, first: int = 0) -> int:
    """Fetch and append pages to `table`, as `load` does."""
    with PagesAhead(workspace, table, pages, first=first) as ahead:
        return load(workspace, table, select, ahead)


def selected_columns(prepared: Prepared) -> list[str]:
    """The logical names to select: all that `present` is made of."""
    forms = reconcile.read_forms(prepared)
    return list(dict.fromkeys([*(form.name for form in forms), *prepared.removal.stamps]))


def as_pages(lists: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Parsed rows as pages again."""
    for rows in lists:
        yield orjson.dumps(rows)


def keys(
    workspace: Workspace, names: Sequence[str], records: str, parameters: Mapping[str, object] | None = None
) -> list[Row]:
    """The distinct sync keys of `records` (SQL after FROM, under the alias `w`), as Python values."""
    columns = ", ".join(f"w.{identifier(name)}" for name in names)
    return [tuple(map(in_utc, row)) for row in workspace.rows(f"SELECT DISTINCT {columns} FROM {records}", parameters)]


def in_utc(value: object) -> object:
    """The workspace's instants are in UTC without saying so; here they say so."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value
