"""Alternate keys from bodies.

Source: Microsoft Learn, "Work with alternate keys".
"""

from __future__ import annotations

from local.dataverse.metadata import refused
from local.dataverse.metadata.bodies import Body
from local.dataverse.metadata.documents import key_document
from local.dataverse.tables import Column, Key, Kind, Table

MOST_KEYS, MOST_COLUMNS, MOST_BYTES = 10, 16, 900
_SAMPLE = Table("sample", "Sample", "samples", "Sample", "sampleid", "", 0, "None", {})
_KNOWN = frozenset(key_document(_SAMPLE, Key("s", "s", "s", ("s",))))
_KINDS = {
    Kind.DECIMAL: 17,
    Kind.INTEGER: 4,
    Kind.TEXT: 0,
    Kind.DATETIME: 8,
    Kind.LOOKUP: 16,
    Kind.CUSTOMER: 16,
    Kind.CHOICE: 4,
}
"""The kinds of column that a key may have, and their bytes; a text has two for each character."""


def new_key(table: Table, body: Body) -> Key:
    """The key that a definition describes; its index is not made yet.

    Raises:
        Refusal: it is malformed, exists already, or its columns cannot be a key.
    """
    body.only(_KNOWN)
    schema = body.schema_name("EntityKey", 100)
    if table.elastic:
        raise refused.bad_key(f"Entity {table.name} is elastic and has the one key that it can have.")
    if schema.lower() in {key.name for key in table.keys}:
        raise refused.key_taken(schema, table.name)
    columns = tuple(_column(table, item).name for item in body.listed("KeyAttributes"))
    if not 1 <= len(columns) <= MOST_COLUMNS or len(set(columns)) < len(columns):
        raise refused.bad_key(f"A key has 1 to {MOST_COLUMNS} different attributes; {schema} names {len(columns)}.")
    if set(columns) in [set(key.columns) for key in table.keys]:
        raise refused.key_columns_taken()
    if len(table.keys) >= MOST_KEYS:
        raise refused.bad_key(f"Entity {table.name} has {MOST_KEYS} keys already, the most that there can be.")
    size = sum(_bytes(table.columns[name]) for name in columns)
    if size > MOST_BYTES:
        raise refused.bad_key(f"The attributes of {schema} have {size} bytes; a key has at most {MOST_BYTES}.")
    shown = body.texts("DisplayName", schema)
    return Key(schema.lower(), schema, shown.base, columns, "Pending", shown.others)


def _column(table: Table, item: object) -> Column:
    column = table.columns.get(item) if isinstance(item, str) else None
    if column is None:
        raise refused.no_column(table.name, str(item))
    if column.kind not in _KINDS:
        raise refused.bad_key(f"Attribute {column.name} of type {column.kind.value} cannot be part of a key.")
    return column


def _bytes(column: Column) -> int:
    return _KINDS[column.kind] or 2 * (column.max_length or 0)
