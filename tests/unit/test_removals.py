"""Dropped rows are removed only where it can be told which rows others touch meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from shared.definitions.sync import SyncDefinition
from shared.mapping.removals import Removal, removal_of
from shared.values.changes import Action
from shared.values.tables import Column, ColumnKind, DateBehaviour, Table


def removal(dropped: str, *stamps: str, readable: bool = True) -> tuple[Removal, list[str]]:
    """How dropped rows of a table with these stamps are removed, and the problems' paths."""
    columns = {
        name: Column(name, name, ColumnKind.DATETIME, "T", readable=readable, date_behaviour=DateBehaviour.USER_LOCAL)
        for name in stamps
    }
    table = Table("new_thing", "new_Thing", "new_things", "new_thingid", None, columns)
    definition = SimpleNamespace(behaviour=SimpleNamespace(dropped=dropped, undo="delete"), mappings=[])
    problems: list[str] = []
    found = removal_of(cast(SyncDefinition, definition), table, lambda path, *_: problems.append(path))
    return found, problems


@pytest.mark.parametrize("stamps", [("createdon", "modifiedon"), ("modifiedon",), ("createdon",)])
def test_only_the_tables_own_stamps_are_asked_for(stamps):
    """A table may have one of them only."""
    assert removal("delete", *stamps) == (Removal(Action.DELETE, stamps=stamps), [])


@pytest.mark.parametrize("readable", [True, False])
def test_without_a_stamp_nothing_is_removed(readable):
    """A row that others touch meanwhile could not be told, so the definition is refused."""
    stamps = () if readable else ("createdon", "modifiedon")
    assert removal("delete", *stamps, readable=readable)[1] == ["behaviour.dropped"]


def test_a_sync_that_leaves_rows_alone_asks_for_no_stamp():
    """What is not needed is not read."""
    assert removal("ignore", "createdon", "modifiedon") == (Removal(), [])
