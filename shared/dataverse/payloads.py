"""Small pieces of request bodies and paths that are the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Self

import orjson
from orjson import Fragment

from shared.values.changes import Write
from shared.values.tables import Table

_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GUID_LENGTH = 36
_DASHES = (8, 13, 18, 23)
_HEXADECIMAL = b"0123456789abcdef"
_OPENING = '{"'
_ETAG = re.compile(r'(?:W/)?"[^"\r\n]*"')


@dataclass(frozen=True, slots=True)
class Columns:
    """Writes as columns: a thousand are taken apart at once, as fast as ten by their names. All of one length."""

    changes: Sequence[int]
    row_ids: Sequence[str]
    bodies: Sequence[str]
    etags: Sequence[str | None]

    @classmethod
    def of(cls, writes: Sequence[Write]) -> Self:
        """The columns of these writes, in their order."""
        return cls(*zip(*writes, strict=True)) if writes else cls((), (), (), ())

    @property
    def guarded(self) -> bool:
        """Whether one of the writes depends on its row's version."""
        return self.etags.count(None) < len(self.etags)


def picked[T](column: Sequence[T], positions: Sequence[int]) -> Sequence[T]:
    """The values at some positions; those of a range are cut out at once."""
    if isinstance(positions, range) and positions.step == 1:
        return column[positions.start : positions.stop]
    return [column[position] for position in positions]


def is_guid(text: str) -> bool:
    """Whether the text is a GUID in lower case without braces."""
    return _GUID.fullmatch(text) is not None


def ids_in(text: str) -> set[str]:
    """The GUIDs that a text names, in lower case."""
    return set(_GUID.findall(text.lower()))


def odata_type(table: Table) -> str:
    """The `@odata.type` of one row: `Microsoft.Dynamics.CRM.account`."""
    return f"Microsoft.Dynamics.CRM.{table.name}"


def row_path(table: Table, row_id: str) -> str:
    """One row's path below the service root: `accounts(<guid>)`."""
    return f"{table.entity_set}({row_id})"


def body_with_id(table: Table, write: Write, *, typed: bool) -> str:
    """The write's body with its row id in front, and with `@odata.type` when it stands in a bulk call."""
    return with_id(id_head(table, typed=typed), write.row_id, write.body)


def id_head(table: Table, *, typed: bool) -> str:
    """What stands before the id in a body; the same for all rows of a call."""
    kind = f'"@odata.type":"{odata_type(table)}",' if typed else ""
    return f'{{{kind}"{table.id_column}":"'


def with_id(head: str, row_id: str, body: str) -> str:
    """A body with its row id in front, after `head`."""
    if body.startswith(_OPENING):  # as plans hold them; what follows the brace is taken as it is
        return f'{head}{row_id}",{body[1:]}'
    members = body.strip()[1:-1].strip()
    return f'{head}{row_id}"{"," if members else ""}{members}}}'


def bulk_body(head: str, row_ids: Sequence[str], bodies: Sequence[str]) -> bytes:
    """The body of a bulk call: each row with its id in front, in UTF-8 at once."""
    if all(map(str.startswith, bodies, repeat(_OPENING))):  # as a rule; without a call for each row
        rows = [Fragment(f'{head}{row_id}",{body[1:]}') for row_id, body in zip(row_ids, bodies, strict=True)]
    else:
        rows = [Fragment(with_id(head, row_id, body)) for row_id, body in zip(row_ids, bodies, strict=True)]
    return orjson.dumps({"Targets": rows})  # joined as text and then encoded, it takes half as long again


def faults_of(columns: Columns) -> Iterator[tuple[int, str]]:
    """The positions of writes that are unfit to travel, each with what is wrong.

    As a rule there is none, so all are looked at together first, in a tenth of the time.
    """
    if are_guids(columns.row_ids) and not columns.guarded and _are_plain(columns.bodies):
        return
    for position, (row_id, body, etag) in enumerate(zip(columns.row_ids, columns.bodies, columns.etags, strict=True)):
        if fault := _fault_of(row_id, body, etag):
            yield position, fault


def are_guids(texts: Sequence[str]) -> bool:
    """Whether all of them are GUIDs in lower case without braces.

    Strung together with commas, they have as many other characters than hexadecimal digits as they must have, and these
    stand where they must.
    """
    count = len(texts)
    try:
        strung = ",".join(texts).encode("ascii")
    except UnicodeEncodeError:
        return False
    if len(strung) != max(_GUID_LENGTH * count + count - 1, 0):
        return False
    dashes = b"-" * count
    return (
        strung.translate(None, _HEXADECIMAL) == (b"----," * count)[:-1]
        and all(strung[at :: _GUID_LENGTH + 1] == dashes for at in _DASHES)
        and strung[_GUID_LENGTH :: _GUID_LENGTH + 1] == b"," * (count - 1)
    )


def _are_plain(bodies: Sequence[str]) -> bool:
    return all(map(str.startswith, bodies, repeat("{"))) and all(map(str.endswith, bodies, repeat("}")))


def _fault_of(row_id: str, body: str, etag: str | None) -> str | None:
    """What makes a write unfit to travel, or None. Its id and etag stand in paths and headers, so they are checked."""
    if _GUID.fullmatch(row_id) is None:
        return "the row id is not a GUID in lower case without braces"
    if etag is not None and _ETAG.fullmatch(etag) is None:
        return 'the etag is not of the form W/"…"'
    return None if _is_object(body) or _is_object(body.strip()) else "the body is not a JSON object"


def _is_object(body: str) -> bool:
    return body.startswith("{") and body.endswith("}")
