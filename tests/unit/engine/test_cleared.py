"""Rows to delete that lost a link because the same plan deleted the row that it led to."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import cast

import pytest

from shared.engine.cleared import standing
from shared.engine.plan import PlanFile, PlanRow
from shared.engine.readback import ETAG, Present, ReadBack
from shared.values.changes import Action


class Plan:
    def deleting(self, ids: Collection[str]) -> set[str]:
        return set(ids)


class Rows:
    def rows(self, _: Iterable[str]) -> dict[str, Present]:
        return {}


@pytest.mark.parametrize(
    ("before", "name", "etag", "stands"),
    [
        ({}, "One", "2", True),
        ({}, "by hand", "2", False),
        ({ETAG: "1"}, "One", "2", False),
        ({ETAG: "2"}, "One", "2", True),
    ],
)
def test_a_lost_link_alone_is_the_plans_own_doing(
    before: dict[str, str], name: str, etag: str, *, stands: bool
) -> None:
    """Not where anything else of the row differs; nor where the plan goes by the row's version, which has moved."""
    seen = json.dumps({"name": "One", "_parent_value": "p", **before})
    row = PlanRow(1, Action.DELETE, "a", "A1", None, seen, None, None)
    present = {"a": Present({"name": name, "_parent_value": None}, etag)}
    found = standing([row], present, cast("PlanFile", Plan()), cast("ReadBack", Rows()))
    assert found == ({1} if stands else set())
