"""Destination pages as a relation: SQL that reads spooled pages of rows into typed columns."""

from __future__ import annotations

from collections.abc import Iterable

from shared.canonical import Form, page_type
from shared.sql import literal

PAGE_FILE = "!file"
"""The column of the relation that holds the path of a row's page."""
_MOST_BYTES_PER_CHARACTER = 6
"""A character of a text may stand as `\\u00e9`."""
_LEAST_ROW_BYTES, _MOST_ROW_BYTES = 1 << 20, 128 << 20
_MEMO_LENGTH = 1_048_576


def page_relation(id_column: str, forms: Iterable[Form], *, stamps: Iterable[str] = (), files: str = "$files") -> str:
    """SQL of the rows in spooled pages: the id, the forms' columns under their read names, the stamps, `PAGE_FILE`.

    `files` is SQL of a path or a list of paths. The reader's buffers are as large as one row may be, and no larger.
    """
    forms = list(forms)
    types = {id_column: "UUID"} | {form.column.read_name: page_type(form) for form in forms}
    types |= dict.fromkeys(stamps, "TIMESTAMP")
    columns = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in types.items())
    name = f"filename = {literal(PAGE_FILE)}"
    size = f"maximum_object_size = {_row_bytes(forms)}"
    return f"read_json({files}, columns = {{{columns}}}, format = 'array', {name}, {size})"


def _row_bytes(forms: Iterable[Form]) -> int:
    characters = sum(form.column.max_length or _MEMO_LENGTH for form in forms if form.is_text)
    return min(max(characters * _MOST_BYTES_PER_CHARACTER, _LEAST_ROW_BYTES), _MOST_ROW_BYTES)
