"""Which lookups can wait for rows of the same job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.definitions.mapping import Link
from shared.mapping.deferring import undeferrable
from shared.values.tables import Column, ColumnKind, Table

PARENT = Column("parentid", "ParentId", ColumnKind.LOOKUP, "LookupType")
TABLE = Table("thing", "Thing", "things", "thingid", None, {"parentid": PARENT})
LINK = Link.model_validate({"entity": "thing", "column": "no", "missing": "defer"})


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (PARENT, None),
        (replace(PARENT, required=True), "must have a value when a row is created"),
        (replace(PARENT, updatable=False), "cannot be read and updated"),
        (replace(PARENT, readable=False), "cannot be read and updated"),
    ],
    ids=["plain", "required", "not updatable", "not readable"],
)
def test_a_lookup_that_cannot_be_filled_later(column: Column, said: str | None) -> None:
    """It needs its value at once, or never takes another."""
    found = [text for text, _ in undeferrable(TABLE, LINK, column, [TABLE], ["no"])]
    assert len(found) == (said is not None)
    assert said is None or said in found[0]
