"""Reads the destination into the workspace: pages are spooled as they come and loaded several at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

from shared import reconcile
from shared.engine.workspace import Row, Workspace
from shared.mapping.build import Prepared
from shared.sql import identifier

PAGES_AT_A_TIME = 16
"""Pages loaded by one statement: large enough to keep both cores busy, small enough for the spool."""
_WAITING = 1

Pages = Iterable[bytes]
Told = Callable[[int], None]


def load(workspace: Workspace, table: str, select: str, pages: Pages, *, told: Told | None = None) -> int:
    """Append pages to `table` through `select` (a query over `$files`); returns the rows loaded.

    The pages are fetched in a thread of their own while earlier ones are loaded. `told` is called with the rows so far.
    """
    rows = 0
    for files in _spooled_ahead(workspace, pages):
        rows += workspace.run(f"INSERT INTO {identifier(table)} {select}", {"files": [str(file) for file in files]})
        for file in files:
            file.unlink()
        if told:
            told(rows)
    return rows


def _spooled_ahead(workspace: Workspace, pages: Pages) -> Iterator[list[Path]]:
    """Groups of spooled pages, fetched ahead in a thread; an error of the fetch is raised here."""
    waiting: queue.Queue[list[Path] | BaseException | None] = queue.Queue(_WAITING)
    stop = threading.Event()

    def fetch() -> None:
        try:
            for group in _groups(workspace, pages):
                waiting.put(group)
                if stop.is_set():
                    return
            waiting.put(None)
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that reads, and raised there
            waiting.put(error)

    fetcher = threading.Thread(target=fetch, name="dynsync-pages", daemon=True)
    fetcher.start()
    try:
        while (group := waiting.get()) is not None:
            if isinstance(group, BaseException):
                raise group
            yield group
    finally:
        stop.set()
        while fetcher.is_alive():
            _drain(waiting)
            fetcher.join(0.05)


def _drain(waiting: queue.Queue[list[Path] | BaseException | None]) -> None:
    while not waiting.empty():
        waiting.get_nowait()


def _groups(workspace: Workspace, pages: Pages) -> Iterator[list[Path]]:
    group: list[Path] = []
    for number, page in enumerate(pages):
        group.append(workspace.spooled(f"{threading.get_ident()}-{number}.json", page))
        if len(group) == PAGES_AT_A_TIME:
            yield group
            group = []
    if group:
        yield group


def load_present(workspace: Workspace, prepared: Prepared, pages: Pages, *, told: Told | None = None) -> int:
    """Fill `present` from destination pages."""
    workspace.run(reconcile.present_table(prepared))
    return load(workspace, "present", reconcile.page_rows(prepared), pages, told=told)


def selected_columns(prepared: Prepared) -> list[str]:
    """The logical names to select: all that `present` holds."""
    stamps = reconcile.STAMPS if reconcile.can_drop(prepared) else ()
    return list(dict.fromkeys([*(form.name for form in reconcile.read_forms(prepared)), *stamps]))


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
