"""What a request asks for, as faults look at it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

_PART = re.compile(rb"^content-type:\s*application/http", re.IGNORECASE | re.MULTILINE)
_COLUMN = re.compile(r"\)/(\w+)(?:/\$(?:value|ref))?$")
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "Create": ("Create",),
    "CreateMultiple": ("Create",),
    "Update": ("Write",),
    "UpdateMultiple": ("Write",),
    "Upsert": ("Create", "Write"),
    "UpsertMultiple": ("Create", "Write"),
    "Delete": ("Delete",),
    "DeleteMultiple": ("Delete",),
    "Retrieve": ("Read",),
    "RetrieveMultiple": ("Read",),
}
"""Which privileges a message needs. Whether an upsert needs both is not published; it is taken to."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, or one operation of a batch (`inner`): `path` with query, `table` and `user` '' when unknown."""

    method: str
    path: str
    message: str
    table: str = ""
    user: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    inner: bool = False

    @property
    def privileges(self) -> tuple[str, ...]:
        """The privileges that it needs: Create, Write, Read, Delete."""
        if self.message == "Upsert" and self.headers.get("if-match"):
            return ("Write",)
        return _NEEDS.get(self.message, ())

    @property
    def size(self) -> int:
        """Targets of a bulk message, operations of a batch, else 1."""
        if self.message == "Batch":
            return len(_PART.findall(self.body))
        targets = self._document().get("Targets") if self.message.endswith("Multiple") and self.body else None
        return len(targets) if isinstance(targets, list) else 1

    def names(self, column: str) -> bool:
        """Whether the URL is that of a column of a row (`…)/name`, `…)/name/$value`, `…)/lookup/$ref`)."""
        found = _COLUMN.search(unquote(self.path.partition("?")[0]))
        return found is not None and found[1] in (column, f"_{column}_value")

    def writes(self, column: str) -> bool:
        """Whether it gives a value to a column (a lookup by its navigation property, a column of one target)."""
        if self.method == "GET":
            return False
        if self.names(column):
            return True
        if not self.body:
            return False
        document = self._document()
        targets = document.get("Targets")
        rows = targets if isinstance(targets, list) else [document]
        names = {str(name).partition("@")[0] for row in rows if isinstance(row, dict) for name in row}
        return column in names

    def _document(self) -> dict[str, Any]:
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}
