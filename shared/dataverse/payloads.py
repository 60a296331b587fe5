"""Small pieces of request bodies and paths that are the same everywhere."""

from __future__ import annotations

import re

from shared.values.changes import Write
from shared.values.tables import Table

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ETAG = re.compile(r'(?:W/)?"[^"\r\n]*"')


def is_guid(text: str) -> bool:
    """Whether the text is a GUID in lower case without braces."""
    return _GUID.fullmatch(text) is not None


def odata_type(table: Table) -> str:
    """The `@odata.type` of one row: `Microsoft.Dynamics.CRM.account`."""
    return f"Microsoft.Dynamics.CRM.{table.name}"


def row_path(table: Table, row_id: str) -> str:
    """One row's path below the service root: `accounts(<guid>)`."""
    return f"{table.entity_set}({row_id})"


def body_with_id(table: Table, write: Write, *, typed: bool) -> str:
    """The write's body with its row id in front, and with `@odata.type` when it stands in a bulk call."""
    kind = f'"@odata.type":"{odata_type(table)}",' if typed else ""
    members = write.body.strip()[1:-1].strip()
    return f'{{{kind}"{table.id_column}":"{write.row_id}"{"," if members else ""}{members}}}'


def fault_of(write: Write) -> str | None:
    """What makes a write unfit to travel, or None. Its id and etag stand in paths and headers, so they are checked."""
    if not is_guid(write.row_id):
        return "the row id is not a GUID in lower case without braces"
    if write.etag is not None and _ETAG.fullmatch(write.etag) is None:
        return 'the etag is not of the form W/"…"'
    body = write.body.strip()
    if not (body.startswith("{") and body.endswith("}")):
        return "the body is not a JSON object"
    return None
