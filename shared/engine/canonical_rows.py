"""Rows as Dataverse gives them, brought to the form in which plans hold values."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import orjson

from shared.canonical import Form, read_member, settle
from shared.engine.workspace import room_in_words
from shared.pages import page_relation
from shared.sql import identifier, literal

Values = Mapping[str, object]


class CanonicalRows:
    """Brings some columns (`forms`) of a table's rows to their canonical form. `folder` takes a small spool file.

    Thread-safe; one thread at a time does the work, within bounded memory.
    """

    def __init__(self, id_column: str, forms: Sequence[Form], folder: Path) -> None:
        self._id_column, self._forms, self._folder = id_column, forms, folder
        self._lock = threading.Lock()
        self._connection = duckdb.connect(config={"threads": 1, "memory_limit": "128MB"})

    def close(self) -> None:
        """Close the small database that does the work."""
        self._connection.close()

    def of(self, rows: Sequence[Values]) -> dict[str, Values]:
        """The values by read name, by the row's id."""
        if not rows:
            return {}
        members = " || ',' || ".join(
            read_member(form, settle(form, identifier(form.column.read_name))) for form in self._forms
        )
        path, page = self._folder / f"rows-{id(self)}.json", orjson.dumps(rows)
        sql = (
            f"SELECT {identifier(self._id_column)}::VARCHAR, '{{' || {members or literal('')} || '}}' "
            f"FROM {page_relation(self._id_column, self._forms, files=literal(str(path)))}"
        )
        with self._lock:
            with room_in_words():
                path.write_bytes(page)
            found = self._connection.execute(sql).fetchall()
            path.unlink()
        return {row_id: orjson.loads(text) for row_id, text in found}
