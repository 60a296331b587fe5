"""Keys are the same value or not, however the numbers in them are written."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.client import DataverseClient
from shared.engine.plan import Manifest, PlanFile, PlannedColumn, PlanRow
from shared.engine.readback import BACKDATED, Planned, ReadBack, stands_as_after
from shared.values.changes import Action
from shared.values.jobs import DestinationBalance, SourceBalance
from shared.values.tables import Column, ColumnKind, Table

NUMBER = Column("new_no", "new_No", ColumnKind.DECIMAL, "DecimalType", precision=4)
TABLE = Table("new_thing", "new_Thing", "new_things", "new_thingid", None, {"new_no": NUMBER})
MANIFEST = Manifest(
    job="1",
    sync="things",
    organization="o",
    table="new_thing",
    key=("new_no",),
    ids="derived",
    accent_sensitive=False,
    columns=(PlannedColumn("new_no", "new_no", "No", 4),),
    counts={},
    source=SourceBalance(),
    destination=DestinationBalance(),
    reported=0,
)


def taken(planned: str, present: str) -> set[int]:
    """The creates that are taken when a row holds `present`, a JSON number, and the plan writes `planned`."""
    rows = SimpleNamespace(rows_by_key=lambda *_: [[{"new_no": orjson.loads(present)}]])
    plan = PlanFile.__new__(PlanFile)
    plan.manifest = MANIFEST
    readback = ReadBack(cast(DataverseClient, rows), TABLE, plan, Path())
    try:
        return readback.taken([PlanRow(7, Action.CREATE, "id", "key", 1, None, f'{{"new_no":{planned}}}', None)])
    finally:
        readback.close()


@pytest.mark.parametrize(
    ("planned", "present"),
    [("12", "12.0"), ("12.0000", "12"), ("12.5", "12.500"), ("-0.0", "0"), ("1e3", "1000")],
)
def test_a_number_is_its_value(planned, present):
    """Whole numbers and decimals with zeros at their end are one key."""
    assert taken(planned, present) == {7}


@given(st.decimals(-(10**9), 10**9, places=4), st.decimals(-(10**9), 10**9, places=4))
def test_other_numbers_are_other_keys(one, other):
    """Only equal values are the same key."""
    assert bool(taken(f"{one:f}", f"{other:f}")) is (Decimal(one) == Decimal(other))


@pytest.mark.parametrize(("name", "stands"), [(BACKDATED, True), ("new_no", False)])
def test_a_time_of_creation_stands_elsewhere(name, stands):
    """What was sent as the time of creation is in another column by then; every other value has to be there."""
    plan = cast(Planned, SimpleNamespace(sent_values=lambda row: {name: "sent"}))
    row = PlanRow(7, Action.CREATE, "id", "key", 1, None, "{}", None)
    assert stands_as_after(plan, row, {name: "another"}) is stands
