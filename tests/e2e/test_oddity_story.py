"""Tables and values that want to be treated their own way: elastic ones, the past, odd keys, states, closing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.logic import Event, Stage
from shared.dataverse.transport import Transport
from shared.values.jobs import JobState
from tests.e2e.conftest import BOUNDED, World, an_hour_ago, ignore
from tests.e2e.stories import Sync, column, rejects
from tests.examples import examples

READING = Sync(
    entity="new_reading",
    columns={"name": "text", "value": "number", "at": "date"},
    maps={"name": "new_name", "value": "new_value", "at": "new_readon"},
    key=["new_name"],
    behaviour={"dropped": "delete"},
)


def sent(world: World, name: str) -> list[str]:
    """The writing requests of a kind."""
    return [write for write in world.writes() if name in write]


def watch(monkeypatch: pytest.MonkeyPatch, look: Callable[[str, dict[str, object]], None]) -> None:
    """Look at each request before it is sent: its path, and what else is said of it."""
    whole = Transport.exchange

    def exchange(self: Transport, method: str, path: str, **more: object) -> object:
        look(path, more)
        return whole(self, method, path, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Transport, "exchange", exchange)


# --- elastic tables ---


def test_an_elastic_table_lives(world: World) -> None:
    """Rows are created, updated and deleted there; a second run of each finds nothing to do."""
    READING.runs_clean(world, ["a", "1.5", "2026-01-01T10:00:00Z"], ["b", "2", ""])
    READING.runs_clean(world, ["a", "1.75", ""], ["b", "2", "2026-01-02T10:00:00Z"])
    READING.runs_clean(world, ["b", "2", "2026-01-02T10:00:00Z"], ["c", "", ""])
    assert column(world, "new_value", "new_reading", "new_name").keys() == {"b", "c"}


def test_no_alternate_key_of_an_elastic_table_covers_the_sync_key(world: World) -> None:
    """Ids follow from the key, so that the same record meets its own row; `check` says that nothing else does."""
    READING.runs_clean(world, ["a", "1", ""])
    found = [str(problem) for problem in world.app.check(READING.name)]
    assert any("no active alternate key" in problem for problem in found)
    (before,) = column(world, "new_readingid", "new_reading", "new_name").values()
    world.clear("new_reading")
    READING.runs_clean(world, ["a", "1", ""])
    assert list(column(world, "new_readingid", "new_reading", "new_name").values()) == [before]


def test_a_partial_failure_sends_again_only_what_was_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred rows two are bad: they alone go a second time, and each has its own reason."""
    refused: set[object] = {"r7", "r60"}
    asked: list[tuple[str, object]] = []
    watch(monkeypatch, lambda path, more: asked.append((path, more.get("rows"))))

    def refuse(event: Event) -> None:
        if event.row.get("new_name") in refused:
            event.refuse(f"no {event.row['new_name']} today")

    world.dataverse.on(refuse, "new_reading", stage=Stage.BEFORE)

    job = READING.run(world, *([f"r{n}", "1", ""] for n in range(100)))

    assert (job.source.created, job.source.rejected) == (98, 2)
    found = list(world.app.rejects(job.id))
    assert [reject.row for reject in found] == [8, 61]
    assert ["no r7 today" in found[0].reason, "no r60 today" in found[1].reason] == [True, True]
    assert len(sent(world, "CreateMultiple")) == 1
    assert [rows for path, rows in asked if path == "$batch"] == [2]
    refused.clear()
    job = READING.run(world, *([f"r{n}", "1", ""] for n in range(100)))
    assert (job.source.created, job.source.unchanged) == (2, 98)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "drop_during"])
def test_a_lost_answer_of_an_elastic_table_doubles_nothing(world: World, kind: str) -> None:
    """Each row may be there or not: the ids tell."""
    READING.read(world, *([f"r{n}", "1", ""] for n in range(30)))
    world.dataverse.inject({"kind": kind, "message": "CreateMultiple", "count": 1})
    job = world.run(READING.name)
    assert (job.state, job.source.created) == (JobState.SUCCEEDED, 30)
    assert len(world.dataverse.rows("new_reading")) == 30


# --- the past ---


def test_rows_are_created_in_the_past(world: World) -> None:
    """`overriddencreatedon` becomes the time of creation of new rows, and is written once; an undo sees through it."""
    sync = Sync(
        columns={"no": "text", "name": "text", "since": "date"},
        maps={"no": "accountnumber", "name": "name", "since": "overriddencreatedon"},
        key=["accountnumber"],
    )
    job = sync.runs_clean(world, ["A1", "a", "2009-05-01T08:00:00Z"], ["A2", "b", ""])
    world.app.undo(job.id, started_by="otto", progress=ignore, apply=True)
    assert world.dataverse.rows("account") == []
    sync.runs_clean(world, ["A1", "a", "2009-05-01T08:00:00Z"], ["A2", "b", ""])
    created = column(world, "createdon")
    assert str(created["A1"]).startswith("2009-05-01")
    assert not str(created["A2"]).startswith("2009")
    sync.runs_clean(world, ["A1", "new", "2010-05-01T08:00:00Z"], ["A2", "b", "2011-01-01T00:00:00Z"])
    assert str(column(world, "createdon")["A1"]).startswith("2009-05-01")
    assert column(world, "name") == {"A1": "new", "A2": "b"}
    gone = sync.behaving(dropped="delete").run(world, ["A2", "b", ""])
    world.app.undo(gone.id, started_by="otto", progress=ignore, apply=True)
    assert column(world, "name") == {"A1": "new", "A2": "b"}
    assert column(world, "overriddencreatedon")["A1"] is None, "made again, it is new, and no date is written"


# --- keys ---

ODD = [
    "/ < > * % & : \\ ? +",
    "O'Neill & Söhne",
    'a "quoted" b',
    "100 %25",
    "#1;2=3",
    "[x]_%",
    "{id}",
    "tab\tle",
    "日本",
    "é",
]
KEY = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
TREE = Sync(
    columns={"no": "text", "name": "text", "parent": "text"},
    maps={
        "no": "new_externalkey",
        "name": "name",
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "new_externalkey"}},
    },
    key=["new_externalkey"],
    behaviour={"dropped": "delete"},
)


def test_keys_that_cannot_stand_in_an_address(world: World) -> None:
    """Rows are found by filters and written by id, so a key may hold any character: create, link, update, delete."""
    TREE.runs_clean(world, *([key, "x", ""] for key in ODD))
    ids = column(world, "accountid", key="new_externalkey")
    assert set(ids) == set(ODD)
    TREE.runs_clean(world, *([key, "y", ODD[n - 1] if n else ""] for n, key in enumerate(ODD)))
    parents = column(world, "_parentaccountid_value", key="new_externalkey")
    assert [parents[key] for key in ODD] == [None, *(ids[key] for key in ODD[:-1])]
    job = TREE.runs_clean(world, [ODD[0], "y", ""])
    assert job.destination.deleted == len(ODD) - 1


def test_rows_are_addressed_by_id_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """No body or path names a row by an alternate key, though there is one: so no key column can be at odds with it."""
    bodies: list[bytes] = []
    watch(monkeypatch, lambda path, more: bodies.append(path.encode() + bytes(more["body"] or b"")))  # type: ignore[call-overload]
    sync = TREE.but(maps={**TREE.maps, "no": "accountnumber"}, key=["accountnumber"])
    sync.runs_clean(world, ["A1", "a", ""])
    sync.run(world, ["A1", "b", ""], ["A2", "c", ""])
    assert any(b"CreateMultiple" in body for body in bodies)
    for body in bodies:
        assert b"@odata.id" not in body
        assert b"(accountnumber=" not in body


@settings(BOUNDED, max_examples=examples(8))
@given(keys=st.lists(KEY, min_size=1, max_size=8, unique_by=str.casefold))
def test_any_key_finds_its_row_again(keys: list[str]) -> None:
    """Whatever a key is made of: what is written is found by the next run, which writes nothing."""
    with tempfile.TemporaryDirectory() as folder, LocalDataverse(clock=an_hour_ago) as dataverse:
        (Path(folder) / "syncs").mkdir()
        (Path(folder) / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        world = World(dataverse, Path(folder), {})
        job = TREE.run(world, *([key, "x", ""] for key in keys))
        assert job.source.created + job.source.rejected == len(keys), rejects(world, job)
        TREE.settled(world)


# --- states ---


def test_a_state_and_a_reason_travel_together(world: World) -> None:
    """Both mapped, also where the reason belongs to the other state than the row's: one write, no refusal."""
    sync = Sync(
        columns={"no": "text", "state": "text", "status": "text"},
        maps={"no": "accountnumber", "state": "statecode", "status": "statuscode"},
        key=["accountnumber"],
    )
    sync.runs_clean(world, ["A1", "Active", "Active"], ["A2", "Inactive", "Inactive"])
    sync.runs_clean(world, ["A1", "Inactive", "Inactive"], ["A2", "Active", "Active"])
    assert column(world, "statecode") == {"A1": 1, "A2": 0}


def test_a_reason_of_another_state_rejects_its_record_alone(world: World) -> None:
    """A pair that does not go together is set aside before anything is sent; its neighbours land, and it stays so."""
    sync = Sync(
        columns={"no": "text", "state": "text", "status": "text"},
        maps={"no": "accountnumber", "state": "statecode", "status": "statuscode"},
        key=["accountnumber"],
    )
    sync.run(world, ["A1", "Active", "Active"], ["A2", "Active", "Active"])
    job = sync.run(world, ["A1", "Inactive", "Active"], ["A2", "Inactive", "Inactive"], ["A3", "Active", "Inactive"])
    assert (job.source.updated, job.source.rejected, job.source.created) == (1, 2, 0)
    assert rejects(world, job) == [(1, "Unknown Option", "statuscode"), (3, "Unknown Option", "statuscode")]
    assert column(world, "statecode") == {"A1": 0, "A2": 1}
    sync.settled(world)


@pytest.mark.parametrize(
    ("entity", "action"),
    [
        ("incident", "CloseIncident"),
        ("salesorder", "CancelSalesOrder"),
        ("quote", "CloseQuote"),
        ("contract", "Cancel"),
    ],
)
def test_tables_that_are_closed_by_an_action(tmp_path: Path, entity: str, action: str) -> None:
    """`check` names the action instead of planning what Dataverse would refuse; no job begins."""
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
    tables = tmp_path / "tables.json"
    column_of = {"schema": "Title", "type": "text", "max": 100, "label": "Title"}
    table = {"set": entity + "s", "label": entity, "type_code": 10900, "name": "title", "columns": {"title": column_of}}
    tables.write_text(json.dumps({"tables": {entity: table}}), encoding="utf-8")
    sync = Sync(
        entity=entity,
        columns={"title": "text"},
        maps={"title": "title"},
        key=["title"],
        behaviour={"dropped": {"deactivate": "Inactive"}},
    )
    with LocalDataverse(tables, clock=an_hour_ago) as dataverse:
        world = World(dataverse, tmp_path, {})
        sync.read(world, ["x"])
        problems = {problem.path: str(problem) for problem in world.app.check(sync.name)}
        assert action in problems["behaviour.dropped"]
        assert world.run(sync.name).state is JobState.FAILED
        assert world.writes() == []
