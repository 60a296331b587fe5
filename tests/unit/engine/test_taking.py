"""What deletes take along is counted in few requests, and what was not counted is said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import pytest

from shared.dataverse.client import DataverseClient
from shared.dataverse.relations import Relationship
from shared.engine import taking
from shared.engine.taking import MOST, taken_along, told
from shared.errors import DestinationError
from shared.values.tables import Table

TABLE = Table("account", "Account", "accounts", "accountid", "name", {})
CONTACTS = Relationship("contact", "contacts", "contactid", "parentcustomerid", "Cascade")
BILLED = Relationship("contact", "contacts", "contactid", "billedid", "Cascade")
NOTES = Relationship("annotation", "annotations", "annotationid", "objectid", "Cascade")
OWN = Relationship("account", "accounts", "accountid", "parentaccountid", "Cascade")
LINKS = Relationship("lead", "leads", "leadid", "parentaccountid", "RemoveLink")


class Relations:
    """Rows below by lookup; a number, or None where the table cannot be read. `asked` counts the questions."""

    rows: dict[Relationship, int | None]
    asked: list[Relationship]

    def __init__(self, _: object) -> None:
        self.asked.clear()

    def below(self, _: str) -> tuple[Relationship, ...]:
        return tuple(self.rows)

    def count(self, relationship: Relationship, _: Iterable[str]) -> int:
        self.asked.append(relationship)
        count = self.rows[relationship]
        if count is None:
            raise DestinationError("403: no right to read")
        return count

    def referring(self, relationship: Relationship, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        self.asked.append(relationship)
        one, other, *_ = ids
        yield from ((other, one), ("a row that is not deleted", one))


def found(monkeypatch: pytest.MonkeyPatch, rows: dict[Relationship, int | None], deleted: int = 2) -> str:
    """What is told of so many deleted rows."""
    monkeypatch.setattr(Relations, "rows", rows, raising=False)
    monkeypatch.setattr(Relations, "asked", [], raising=False)
    monkeypatch.setattr(taking, "Relations", Relations)
    return told(taken_along(cast(DataverseClient, None), TABLE, [f"id-{n}" for n in range(deleted)]))


def test_counts_by_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lookup once, but for what only loses its link; of the table itself, rows of the plan do not count."""
    rows = {OWN: 0, CONTACTS: 1200, BILLED: 34, NOTES: 0, LINKS: 9}
    assert found(monkeypatch, rows) == "1 of account, 1,234 of contact"
    assert sorted(Relations.asked, key=str) == sorted([OWN, CONTACTS, BILLED, NOTES], key=str)
    assert found(monkeypatch, {NOTES: 5000}) == "5,000 or more of annotation"
    assert found(monkeypatch, {LINKS: 9}) == ""


def test_what_cannot_be_counted_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that the user may not read; a table of which one lookup could not be counted; all of many rows."""
    assert found(monkeypatch, {CONTACTS: 3, NOTES: None}) == "3 of contact; not counted: annotation"
    assert found(monkeypatch, {CONTACTS: 3, BILLED: None}) == "not counted: contact"
    assert found(monkeypatch, {CONTACTS: 3, NOTES: 4}, MOST + 1) == "not counted: contact, annotation"
    assert Relations.asked == []
    assert found(monkeypatch, {CONTACTS: 3}, 0) == ""
