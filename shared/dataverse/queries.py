"""Addresses of queries, kept within the length that the service takes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from shared.dataverse.literals import encoded, equals, in_filter, in_value
from shared.errors import DestinationError
from shared.values.tables import Column, Table

URL_LIMIT = 30_000
"""Characters of one address. Source: Microsoft Learn, "Query data using the Web API": 32 KB for a GET."""

IN_VALUES = 1000
CONDITIONS = 200
"""Bounds of one filter, below the service's own (500 conditions in a query)."""

_LOOKUP_TYPES = 'odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'
Key = tuple[object, ...]


def column_of(table: Table, name: str) -> Column:
    """A table's column.

    Raises:
        DestinationError: there is none of this name; the nearest names are told.
    """
    column = table.columns.get(name)
    if column is None:
        near = difflib.get_close_matches(name.lower(), list(table.columns), n=3)
        hint = f"; did you mean {', '.join(near)}?" if near else "; give the column's logical name"
        raise DestinationError(f"the table {table.name!r} has no column {name!r}{hint}")
    return column


def select(table: Table, columns: Sequence[str], extra: Sequence[str] = ()) -> str:
    """`$select` over read names; the id is always there. `extra` are property names as they are."""
    names = [table.id_column, *(column_of(table, name).read_name for name in columns), *extra]
    return ",".join(dict.fromkeys(names))


def order(table: Table, columns: Sequence[str]) -> str:
    """`$orderby` over read names, ending with the id so that pages are stable. A name may end in ` desc`."""
    names = [_ordered(table, name) for name in columns]
    if not any(name.split(" ")[0] == table.id_column for name in names):
        names.append(table.id_column)
    return ",".join(names)


def _ordered(table: Table, text: str) -> str:
    name, _, direction = text.partition(" ")
    if direction not in ("", "asc", "desc"):
        raise DestinationError(f"the order {text!r} is none; a column's name may be followed by asc or desc")
    return column_of(table, name).read_name + (f" {direction}" if direction else "")


def address(path: str, options: Mapping[str, str | None]) -> str:
    """A path with its query options, percent-encoded; options without a value are left out."""
    query = "&".join(f"{name}={encoded(value)}" for name, value in options.items() if value)
    return f"{path}?{query}" if query else path


def page_headers(page_size: int, *, lookup_types: bool) -> dict[str, str]:
    """The headers of every page of a read."""
    prefer = f"odata.maxpagesize={page_size}" + (f",{_LOOKUP_TYPES}" if lookup_types else "")
    return {"Prefer": prefer}


def both(left: str | None, right: str | None) -> str | None:
    """Two conditions that must both hold; either may be absent."""
    present = [f"({text})" for text in (left, right) if text]
    return " and ".join(present) if len(present) > 1 else left or right


def key_filters(columns: Sequence[Column], keys: Iterable[Key], *, room: int) -> Iterator[str]:
    """Filters that together select the rows whose columns equal one of the keys.

    One column goes through the `In` function where its values allow it; several, and what `In` cannot carry, become
    chains of `or`. `room` is the length in characters that one filter may have when encoded.
    """
    left_over: list[Key] = []
    elements = _in_elements(columns, keys, left_over)
    for chunk in _chunks(elements, room=room - len(_in_frame(columns)), most=IN_VALUES, joint=","):
        yield in_filter(columns[0], chunk)
    terms = (_term(columns, key) for key in left_over)
    most = max(CONDITIONS // max(len(columns), 1), 1)
    for chunk in _chunks(terms, room=room, most=most, joint=" or "):
        yield " or ".join(chunk)


def _in_frame(columns: Sequence[Column]) -> str:
    return encoded(in_filter(columns[0], []))


def _in_elements(columns: Sequence[Column], keys: Iterable[Key], left_over: list[Key]) -> Iterator[str]:
    for key in dict.fromkeys(keys):
        element = in_value(columns[0], key[0]) if len(columns) == 1 else None
        if element is None:
            left_over.append(key)
        else:
            yield element


def _term(columns: Sequence[Column], key: Key) -> str:
    conditions = [equals(column, value) for column, value in zip(columns, key, strict=True)]
    return f"({' and '.join(conditions)})" if len(conditions) > 1 else conditions[0]


def _chunks(texts: Iterable[str], *, room: int, most: int, joint: str) -> Iterator[list[str]]:
    """Runs of texts that fit into `room` characters when encoded and joined, at most `most` each."""
    chunk: list[str] = []
    used, between = 0, len(encoded(joint))
    for text in texts:
        size = len(encoded(text)) + between
        if chunk and (used + size > room or len(chunk) >= most):
            yield chunk
            chunk, used = [], 0
        chunk.append(text)
        used += size
    if chunk:
        yield chunk
