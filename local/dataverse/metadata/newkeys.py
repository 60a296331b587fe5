"""Alternate keys from bodies.

Source: Microsoft Learn, "Work with alternate keys".
"""

from __future__ import annotations

from local.dataverse.definitions import bounds
from local.dataverse.metadata import refused
from local.dataverse.metadata.bodies import Body
from local.dataverse.metadata.documents import key_document
from local.dataverse.tables import Column, Key, Table

_SAMPLE = Table("sample", "Sample", "samples", "Sample", "sampleid", "", 0, "None", {})
_KNOWN = frozenset(key_document(_SAMPLE, Key("s", "s", "s", ("s",))))


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
    if not 1 <= len(columns) <= bounds.MOST_KEY_COLUMNS or len(set(columns)) < len(columns):
        raise refused.bad_key(
            f"A key has 1 to {bounds.MOST_KEY_COLUMNS} different attributes; {schema} names {len(columns)}."
        )
    if set(columns) in [set(key.columns) for key in table.keys]:
        raise refused.key_columns_taken()
    if len(table.keys) >= bounds.MOST_KEYS:
        raise refused.bad_key(f"Entity {table.name} has {bounds.MOST_KEYS} keys already, the most that there can be.")
    size = sum(bounds.key_bytes(table.columns[name]) for name in columns)
    if size > bounds.MOST_KEY_BYTES:
        raise refused.bad_key(
            f"The attributes of {schema} have {size} bytes; a key has at most {bounds.MOST_KEY_BYTES}."
        )
    shown = body.texts("DisplayName", schema)
    return Key(schema.lower(), schema, shown.base, columns, "Pending", shown.others)


def _column(table: Table, item: object) -> Column:
    column = table.columns.get(item) if isinstance(item, str) else None
    if column is None:
        raise refused.no_column(table.name, str(item))
    if column.kind not in bounds.KEY_BYTES:
        raise refused.bad_key(f"Attribute {column.name} of type {column.kind.value} cannot be part of a key.")
    return column
