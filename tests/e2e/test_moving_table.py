"""A table that changes while it is read, page after page: no row is doubled, none is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.dataverse import LocalDataverse
from shared.dataverse.client import DataverseClient
from shared.dataverse.reading import Reader
from tests.e2e.conftest import World
from tests.e2e.stories import Sync, column

KEYED = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "new_externalkey", "name": "name"},
    key=["new_externalkey"],
    behaviour={"dropped": "delete"},
)
KEYS = ["A1", "A2", "A3", "A4", "A5"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world whose Dataverse has the present time, so that it stamps what changes now."""
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
    with LocalDataverse() as dataverse:
        yield World(dataverse, tmp_path, {})


def while_read(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """Read tables in pages of two rows, and act once behind the second page of the first read."""
    whole, acts = Reader.pages, [act]

    def pages(self: DataverseClient, *given: object, **options: object) -> Iterator[bytes]:
        for number, page in enumerate(whole(self, *given, **{**options, "page_size": 2})):  # type: ignore[arg-type]
            yield page
            if number == 1 and acts:
                acts.pop()()

    monkeypatch.setattr(DataverseClient, "pages", pages)


def test_a_row_that_is_rekeyed_behind_the_reader(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new key is in the source: it is matched by it, not created a second time; the old key's record is."""
    KEYED.run(world, *([key, "x"] for key in KEYS))
    first = min((row["accountid"], row["new_externalkey"]) for row in world.dataverse.rows("account"))
    while_read(monkeypatch, lambda: world.edit("accounts", first[0], {"new_externalkey": "B9"}))

    job = KEYED.run(world, *([key, "x"] for key in KEYS), ["B9", "x"])

    assert (job.source.created, job.source.unchanged) == (1, 5)
    assert sorted(map(str, column(world, "name", key="new_externalkey"))) == [*KEYS, "B9"]
    assert column(world, "accountid", key="new_externalkey")["B9"] == first[0]


def test_a_row_that_is_created_behind_the_reader(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is met all the same: its record creates no second one, and without a record it is not dropped."""
    KEYED.run(world, *([key, "x"] for key in KEYS))
    low = [{"accountid": f"00000000-0000-4000-8000-00000000000{n}", "new_externalkey": f"B{n}"} for n in (1, 2)]
    while_read(monkeypatch, lambda: world.dataverse.insert("account", low) and None)

    job = KEYED.run(world, *([key, "x"] for key in KEYS), ["B1", "x"])

    assert (job.source.created, job.source.updated, job.destination.deleted) == (0, 1, 0)
    assert len(world.dataverse.rows("account")) == 7
