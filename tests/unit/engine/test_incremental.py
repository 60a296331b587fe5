"""Watermarks of incremental syncs, to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shared.columns import TypedSource
from shared.definitions.schema_column import SchemaColumn
from shared.engine.incremental import _before, reached
from shared.engine.workspace import Limits, Workspace, workspace_folder

NOW = datetime(2025, 3, 1, tzinfo=UTC)
LONG = "1234567890123456789012345678901.5"


@pytest.mark.parametrize("told", [LONG, "120045.50", "1000", "0"])
def test_a_number_is_kept_to_its_last_digit(told: str) -> None:
    """Rounded up, it would pass records by; zeros at the end do not count."""
    column = SchemaColumn.model_validate({"name": "n", "type": "number"})
    source = TypedSource(f"SELECT CAST('{told}' AS DECIMAL(38, 5)) AS n", "", {}, ())
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        found = reached(workspace, column, source, choice="", began=NOW)
    assert found and found.value == Decimal(told)
    assert str(found) == (told.rstrip("0").rstrip(".") if "." in told else told)


def test_an_overlap_is_taken_off_to_the_last_digit() -> None:
    """A thousand below a number of 32 digits."""
    assert str(_before(Decimal(LONG), 1000)) == "1234567890123456789012345677901.5"
