"""Where change tracking may stand for reading: only where a row tells by itself whether it is ours."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from shared.engine.fingerprint.rules import advice, obstacle
from shared.values.tables import Column, ColumnKind, Table


def column(name: str, kind: ColumnKind = ColumnKind.TEXT, **more: object) -> Column:
    return Column(name, name, kind, kind.value, **more)  # type: ignore[arg-type]


COMPUTED = {"creatable": False, "updatable": False}
COLUMNS = [
    column("accountid", ColumnKind.UNIQUEIDENTIFIER, primary_id=True, **COMPUTED),
    column("name"),
    column("createdon", ColumnKind.DATETIME, **COMPUTED),
    column("statecode", ColumnKind.STATE, **COMPUTED),
    column("ownerid", ColumnKind.OWNER),
    column("owningbusinessunit", ColumnKind.LOOKUP, **COMPUTED),
    column("rollup", ColumnKind.DECIMAL, **COMPUTED),
]
TABLE = Table(
    "account", "Account", "accounts", "accountid", "name", {one.name: one for one in COLUMNS}, change_tracking=True
)


def definition(text: str | None, *, tracking: bool = True) -> SimpleNamespace:
    return SimpleNamespace(destination=SimpleNamespace(filter=text, change_tracking=tracking))


@pytest.mark.parametrize(
    "text",
    [
        None,
        "statecode eq 0",
        "name eq @region and not contains(name,'eq now()')",
        "_ownerid_value eq 00000000-0000-0000-0000-000000000001 or createdon ge 2020-01-01T00:00:00Z",
        "name in ('a','b') and accountid ne null",
    ],
)
def test_filters_that_a_row_decides(text: str | None) -> None:
    """Columns that are kept in the row, compared with what is written."""
    assert obstacle(definition(text), TABLE) is None  # type: ignore[arg-type]
    assert advice(definition(text), TABLE) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("primarycontactid/fullname eq 'x'", "primarycontactid/fullname"),
        ("contact_customer_accounts/any(c:c/statecode eq 0)", "any"),
        ("Microsoft.Dynamics.CRM.LastXDays(PropertyName='createdon',PropertyValue=7)", "LastXDays"),
        ("Microsoft.Dynamics.CRM.EqualUserId(PropertyName='ownerid')", "EqualUserId"),
        ("createdon lt now()", "now"),
        ("rollup gt 5", "rollup"),
        ("_owningbusinessunit_value eq 00000000-0000-0000-0000-000000000001", "_owningbusinessunit_value"),
        ("unknown eq 1", "unknown"),
        ("name eq 'open", "cannot be read"),
    ],
)
def test_filters_that_look_elsewhere(text: str, words: str) -> None:
    """Other rows, the time, the caller, what Dataverse computes: the filter may change its mind."""
    found = obstacle(definition(text), TABLE)  # type: ignore[arg-type]
    assert found is not None
    assert words in found
    (problem,) = advice(definition(text), TABLE)  # type: ignore[arg-type]
    assert found in str(problem)
    assert advice(definition(text, tracking=False), TABLE) == []  # type: ignore[arg-type]


def test_tables_without_it() -> None:
    """Tracking that is off, and elastic tables."""
    off, elastic = replace(TABLE, change_tracking=False), replace(TABLE, elastic=True)
    assert "off" in str(obstacle(definition(None), off))  # type: ignore[arg-type]
    assert "elastic" in str(obstacle(definition(None), elastic))  # type: ignore[arg-type]
