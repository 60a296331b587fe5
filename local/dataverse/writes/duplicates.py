"""What is told about a row whose id or alternate key is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape  # as XML has it; the one for XML takes long to import

from local.dataverse.refusals import Refusal
from local.dataverse.tables import Key, Table


def refusal(table: Table, cause: str, row: Mapping[str, object]) -> Refusal:
    """The refusal for a violated unique index; `cause` is the database's text, `row` the stored form of the row."""
    key = _violated(table, cause)
    if key is None:
        text = "Cannot insert duplicate key. A record with matching key values already exists."
        return Refusal(412, "0x80040237", text)
    labels = ", ".join(table.columns[name].label for name in key.columns)
    message = (
        f"Entity Key {key.label} violated. A record with the same value for {labels} already exists. "
        "A duplicate record cannot be created. Select one or more unique values and try again."
    )
    attributes = {name: row.get(name) for name in key.columns}
    details = {
        "DuplicateAttributes": f"<DuplicateAttributes>{_elements(attributes)}</DuplicateAttributes>",
        "DuplicateEntity": f"<DuplicateEntity>{_elements(row)}</DuplicateEntity>",
    }
    return Refusal(412, "0x80060892", message, details=details)


def _violated(table: Table, cause: str) -> Key | None:
    if table.elastic:
        return None  # its one key is what tells its rows apart
    index = re.search(r"index '[^']*\.key\.([^']+)'", cause)
    columns = {part.rpartition(".")[2] for part in cause.partition(": ")[2].split(", ")}
    named = (k for k in table.keys if k.name == (index[1] if index else None) or set(k.columns) == columns)
    return next(named, None)


def _elements(values: Mapping[str, object]) -> str:
    return "".join(
        f"<{name}>{escape(str(value), quote=False)}</{name}>"
        for name, value in values.items()
        if value is not None and "~" not in name
    )
