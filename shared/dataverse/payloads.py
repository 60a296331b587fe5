"""Small pieces of request bodies and paths that are the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from shared.values.changes import Write
from shared.values.tables import Table

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GUIDS = re.compile(rf"(?:{_GUID.pattern},)*{_GUID.pattern}")
_GUID_LENGTH = 36
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
    return with_id(id_head(table, typed=typed), write)


def id_head(table: Table, *, typed: bool) -> str:
    """What stands before the id in a body; the same for all rows of a call."""
    kind = f'"@odata.type":"{odata_type(table)}",' if typed else ""
    return f'{{{kind}"{table.id_column}":"'


def with_id(head: str, write: Write) -> str:
    """The write's body with its row id in front, after `head`."""
    body = write.body
    if body[:2] == '{"':  # as plans hold them; what follows the brace is taken as it is
        return f'{head}{write.row_id}",{body[1:]}'
    members = body.strip()[1:-1].strip()
    return f'{head}{write.row_id}"{"," if members else ""}{members}}}'


def faults_of(writes: Sequence[Write]) -> Iterator[tuple[int, str]]:
    """The positions of writes that are unfit to travel, each with what is wrong.

    As a rule there is none, so all are looked at together first, in a tenth of the time.
    """
    ids = ",".join([write.row_id for write in writes])
    if _GUIDS.fullmatch(ids) is not None and _are_plain(writes):
        return
    for position, write in enumerate(writes):
        if fault := _fault_of(write):
            yield position, fault


def _are_plain(writes: Sequence[Write]) -> bool:
    found = [
        etag is None and len(row_id) == _GUID_LENGTH and body[:1] == "{" and body[-1:] == "}"
        for _, row_id, body, etag in writes
    ]
    return all(found)


def _fault_of(write: Write) -> str | None:
    """What makes a write unfit to travel, or None. Its id and etag stand in paths and headers, so they are checked."""
    if _GUID.fullmatch(write.row_id) is None:
        return "the row id is not a GUID in lower case without braces"
    if write.etag is not None and _ETAG.fullmatch(write.etag) is None:
        return 'the etag is not of the form W/"…"'
    body = write.body
    if (body[:1] != "{" or body[-1:] != "}") and not _is_object(body.strip()):
        return "the body is not a JSON object"
    return None


def _is_object(body: str) -> bool:
    return body.startswith("{") and body.endswith("}")
