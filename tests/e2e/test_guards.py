from __future__ import annotations

import functools
import json
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import duckdb
import orjson
import pytest

from shared.dataverse.client import DataverseClient
from shared.dataverse.writing import Writer
from shared.definitions.connection import DataverseConnection
from shared.definitions.reach import Reach
from shared.engine import reading
from shared.engine.applying import Applier
from shared.engine.plan import MANIFEST
from shared.engine.readback import Present, ReadBack
from shared.engine.workspace import SourceTable
from shared.errors import NotAllowedError, NotBuiltError, RefuseError, UnavailableError
from shared.state import LocalState
from shared.values.changes import Outcome
from shared.values.jobs import JobState
from shared.values.problems import Severity
from shared.wiring.connections import Connector
from tests.e2e.conftest import World, closes
from tests.e2e.stories import Sync, column, rejects

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "staff": {"type": "number", "validate": True}},
    maps={"no": "accountnumber", "name": "name", "staff": "numberofemployees"},
    key=["accountnumber"],
    behaviour={"dropped": "delete"},
)
THREE = (["A1", "One", 1], ["A2", "Two", 2], ["A3", "Three", 3])


class AskedSecrets:
    """Gives any secret, and notes which ones were asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get(self, name: str) -> str:
        self.asked.append(name)
        return "11111111-0000-4000-8000-000000000001"


def connection(url: str, authority: str) -> DataverseConnection:
    """A connection of the sync `story`, with its own secrets."""
    secrets = {name: {"secret": f"story--{name.replace('_', '-')}"} for name in ("tenant_id", "client_id")}
    given = {"service_url": url, "authority": authority, "entity": "account", **secrets}
    return DataverseConnection.model_validate({**given, "client_secret": {"secret": "story--client-secret"}})


# ---- what a person changes while a plan is applied


@pytest.mark.parametrize(
    ("method", "number", "edited", "times", "conflicts", "name"),
    [
        ("rows", "A1", "name", 9, 1, "by hand"),
        ("whole", "A3", "name", 9, 1, "Uno"),
        ("rows", "A1", "telephone1", 1, 0, "Uno"),
        ("rows", "A1", "telephone1", 9, 1, "One"),
    ],
)
def test_an_edit_between_the_read_and_the_write_is_a_conflict(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    number: str,
    edited: str,
    times: int,
    conflicts: int,
    name: str,
) -> None:
    """An update and a delete carry the ETag of the very read that was compared: a person's later value stays.

    A row that was touched in a column beside the plan's is looked at again, and written; not for ever, though.
    """
    ACCOUNT.run(world, *THREE)
    plan = ACCOUNT.plan(world, ["A1", "Uno", 1], ["A2", "Two", 2])
    row_id = column(world, "accountid")[number]
    read: Callable[..., object] = getattr(ReadBack, method)
    edits = iter(range(times))

    def read_and_edited(*arguments: object) -> object:
        found = read(*arguments)
        if next(edits, None) is not None:
            world.edit("accounts", row_id, {edited: "by hand"})
        return found

    monkeypatch.setattr(ReadBack, method, read_and_edited)
    job = closes(world.apply(plan))

    assert (job.state is JobState.SUCCEEDED, job.source.conflict + job.destination.refused) == (
        not conflicts,
        conflicts,
    )
    assert (column(world, edited)[number], column(world, "name")["A1"]) == ("by hand", name)


@pytest.mark.parametrize("method", ["rows_by_id", "rows_by_key"])
def test_what_is_compared_is_read_side_by_side(world: World, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """An approved plan's chunks of one kind are read at the same time: neither waits until the other was read."""
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=1))
    ACCOUNT.run(world, *THREE)
    updates = (["A1", "Uno", 1], ["A2", "Due", 2]) if method == "rows_by_id" else THREE[:2]
    creates = () if method == "rows_by_id" else (["A4", "Four", 4], ["A5", "Five", 5])
    plan = ACCOUNT.plan(world, *updates, THREE[2], *creates)
    together = threading.Barrier(2)
    read: Callable[..., object] = getattr(DataverseClient, method)

    def met(*arguments: object, **more: object) -> object:
        if threading.current_thread().name.startswith("dynsync-apply"):
            together.wait(timeout=20)  # for nothing when one waits for the other
        return read(*arguments, **more)

    monkeypatch.setattr(DataverseClient, method, met)
    job = closes(world.apply(plan))

    assert (job.state, job.source.updated + job.source.created, together.broken) == (JobState.SUCCEEDED, 2, False)


def test_a_row_that_somebody_deleted_before_is_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An approved plan deletes what is gone by then: that is what was wanted, no conflict.

    While the others go, the rows that were compared, every column of them, take no room any more.
    """

    class Looked(dict[str, Present]):
        pass

    looked: list[weakref.ref[Looked]] = []
    whole, write = ReadBack.whole, Writer.write

    def read(readback: ReadBack, ids: Iterable[str]) -> dict[str, Present]:
        found = Looked(whole(readback, ids))
        looked.append(weakref.ref(found))
        return found

    def written(writer: Writer, *what: Any) -> list[Outcome]:
        assert [one() for one in looked] == [None]
        return write(writer, *what)

    ACCOUNT.run(world, *THREE)
    plan = ACCOUNT.plan(world, ["A1", "One", 1])
    world.remove("accounts", column(world, "accountid")["A2"])
    monkeypatch.setattr(ReadBack, "whole", read)
    monkeypatch.setattr(Writer, "write", written)

    job = closes(world.apply(plan))

    assert (job.state, job.destination.deleted, job.destination.refused, len(looked)) == (JobState.SUCCEEDED, 2, 0, 1)
    assert column(world, "name") == {"A1": "One"}


# ---- the operator's reach, asked again when a job runs


@pytest.mark.parametrize("way", ["absolute", "dots", "link"])
def test_a_path_from_a_variable_stays_within_the_reach(
    world: World, tmp_path_factory: pytest.TempPathFactory, way: str
) -> None:
    """A start cannot lead the source to a file outside, in whatever way it is named: nothing is read or written."""
    ACCOUNT.but(source={"path": "@where"}, rest={"variables": {"where": {}}}).define(world)
    outside = tmp_path_factory.mktemp("outside") / "data.csv"
    outside.write_text("no,name,staff\nA1,One,1\n", encoding="utf-8")
    (world.folder / "link.csv").symlink_to(outside)
    ways = {"absolute": str(outside), "dots": os.path.relpath(outside, world.folder), "link": "link.csv"}

    job = closes(world.run("story", variables={"where": ways[way]}))

    assert (job.state, job.source.read) == (JobState.FAILED, 0)
    assert "reach" in str(job.error)
    assert world.writes() == []
    assert world.dataverse.rows("account") == []


def test_a_connection_outside_the_reach_is_never_opened(world: World) -> None:
    """Whatever way a definition came, a host that the operator did not allow gets no request and no secret."""
    secrets = AskedSecrets()
    connector = Connector(secrets, Reach(), local=True)
    away = connection("https://crm.example.com/api/data/v9.2/", world.dataverse.authority)

    with pytest.raises(NotAllowedError, match=r"crm\.example\.com.*outside the reach"), connector.open("story", away):
        pass

    assert secrets.asked == []
    hosted = Connector(secrets, Reach(), local=False)
    here = connection(world.dataverse.url, world.dataverse.authority)
    with pytest.raises(NotAllowedError, match="outside the reach"), hosted.open("story", here):
        pass
    assert (secrets.asked, world.dataverse.requests) == ([], [])


def test_a_secret_outside_the_reach_is_never_read(world: World) -> None:
    """A sync gets its own secrets and those an operator added, by name; others are not even looked up."""
    secrets = AskedSecrets()
    here = connection(world.dataverse.url, world.dataverse.authority)

    with (
        pytest.raises(NotAllowedError, match=r"'other' may not name the secret 'story--tenant-id'"),
        Connector(secrets, Reach(), local=True).open("other", here),
    ):
        pass

    assert (secrets.asked, world.dataverse.requests) == ([], [])
    allowed = Reach.model_validate({"secrets": {"other": ["story--*"]}})
    with Connector(secrets, allowed, local=True).open("other", here):
        assert secrets.asked == ["story--tenant-id", "story--client-id", "story--client-secret"]


# ---- plans and starts that are refused


def test_a_plan_with_a_newer_job_beside_it_is_not_applied(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even a newer job that failed, once it had a plan, has taken the older one's place."""
    plan = ACCOUNT.plan(world, *THREE)

    def cut(applier: Applier) -> None:
        raise UnavailableError("no answer")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Applier, "apply", cut)
        newer = world.run("story")
    assert newer.state is JobState.FAILED

    with pytest.raises(RefuseError, match=rf"{plan.id} is Superseded.*a newer plan has taken its place.*plan story"):
        world.apply(plan)

    assert world.writes() == []


def test_a_plan_of_another_environment_is_not_applied(world: World) -> None:
    """A plan belongs to the organization it was made for; at another one nothing is written."""
    plan = ACCOUNT.plan(world, *THREE)
    manifest = LocalState(world.folder / "state").path(plan.id, MANIFEST)
    values = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps({**values, "organization": "0a000000-0000-4000-8000-00000000ffff"}))

    job = closes(world.apply(plan))

    assert (job.state, job.source.created) == (JobState.FAILED, 0)
    assert "another environment" in str(job.error)
    assert world.writes() == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (ACCOUNT.but(maps={"no": "accountnumber", "staff": "numberofemployees"}), "definition of story was changed"),
        (ACCOUNT.behaving(dropped="ignore"), "definition of story was changed"),
        (ACCOUNT.but(rest={"enabled": False}), "switched off"),
    ],
    ids=["mappings", "dropped", "switched off"],
)
def test_a_plan_of_another_definition_is_not_applied(world: World, changed: Sync, says: str) -> None:
    """What was approved is what was planned: after a change of the definition, a new plan is asked for."""
    plan = ACCOUNT.plan(world, *THREE)
    changed.define(world)

    with pytest.raises(RefuseError, match=says):
        world.apply(plan)

    assert world.app.job(plan.id).state is JobState.AWAITING_APPROVAL
    assert world.writes() == []
    ACCOUNT.define(world)
    assert world.apply(plan).source.created == 3


@pytest.mark.parametrize("start", ["run", "plan"])
@pytest.mark.parametrize(
    ("rest", "error", "says"),
    [
        ({"enabled": False}, RefuseError, "enabled: true"),
    ],
)
def test_a_sync_that_may_not_run_is_refused_at_once(
    world: World, start: str, rest: dict[str, object], error: type[Exception], says: str
) -> None:
    """Switched off, or with a part that is not built: the part is named, no job is made and nobody is asked."""
    ACCOUNT.but(rest=rest).read(world, *THREE)

    with pytest.raises(error, match=says):
        getattr(world, start)("story")

    assert (world.app.jobs(), world.dataverse.requests) == ([], [])


# ---- rows and records that count once, or not at all


@pytest.fixture
def overlapping_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every read of a table brings its rows a second time, as when it changes while it is read."""
    pages = DataverseClient.pages

    def twice(*arguments: object, **options: object) -> Iterator[bytes]:
        for page in pages(*arguments, **options):  # type: ignore[arg-type]
            yield page
            yield orjson.dumps(orjson.loads(page)[::-1])

    monkeypatch.setattr(DataverseClient, "pages", twice)


@pytest.mark.usefixtures("overlapping_pages")
def test_a_row_that_two_pages_bring_counts_once(world: World) -> None:
    """It is no duplicate: it is updated, left alone or dropped once."""
    ACCOUNT.run(world, *THREE)
    world.dataverse.clear_requests()

    job = ACCOUNT.run(world, ["A1", "Uno", 1], ["A2", "Two", 2], ["A4", "Four", 4])

    assert (job.state, rejects(world, job)) == (JobState.SUCCEEDED, [])
    assert (job.source.updated, job.source.unchanged, job.source.created) == (1, 1, 1)
    assert (job.destination.read, job.destination.deleted, job.destination.duplicate) == (3, 1, 0)
    assert column(world, "name") == {"A1": "Uno", "A2": "Two", "A4": "Four"}


def test_a_rejected_record_holds_its_row(world: World) -> None:
    """A record that cannot be written still says that its row is wanted: only the row without a record is deleted."""
    ACCOUNT.run(world, *THREE)

    job = ACCOUNT.run(world, ["A1", "Uno", 1], ["A2", "Dos", "many"])

    assert rejects(world, job) == [(2, "Invalid Format", "staff")]
    assert (job.source.updated, job.source.rejected, job.destination.deleted) == (1, 1, 1)
    assert column(world, "name") == {"A1": "Uno", "A2": "Two"}


def test_a_row_without_a_key_value_is_kept(world: World) -> None:
    """Nobody can say that it is missing from the source, so it is never dropped."""
    ACCOUNT.run(world, *THREE)
    world.dataverse.insert("account", [{"name": "No number"}])

    job = ACCOUNT.run(world, ["A1", "One", 1])

    assert (job.state, job.destination.deleted, job.destination.kept) == (JobState.SUCCEEDED, 2, 1)
    assert column(world, "name") == {"A1": "One", None: "No number"}


@pytest.mark.parametrize("kind", ["delimited", "parquet"])
def test_a_file_that_changes_while_a_job_reads_it_stops_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Nothing is written, whether the job holds a copy of the file or reads it anew."""
    sync = ACCOUNT.but(source={"type": kind, "path": f"data.{kind}"})
    sync.define(world)
    path = world.write(f"data.{kind}", "")
    select = "SELECT 'A' || range AS no, 'One' AS name, range AS staff FROM range(9)"
    duckdb.execute(f"COPY ({select}) TO '{path}' (FORMAT {'parquet' if kind == 'parquet' else 'csv'})").fetchall()
    seen = reading.selected_columns if kind == "parquet" else SourceTable.fill_in_order

    def touched(*arguments: object, **options: object) -> object:
        with path.open("ab") as file:
            file.write(b"\n")
        return seen(*arguments, **options)

    owner, name = (reading, "selected_columns") if kind == "parquet" else (SourceTable, "fill_in_order")
    monkeypatch.setattr(owner, name, touched)

    job = world.run("story")

    assert (job.state, column(world, "name")) == (JobState.FAILED, {})
    assert "changed while it was read" in str(job.error)


def test_a_row_whose_key_changes_between_two_pages_is_what_it_was_last(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row is met as A3 and again as A9; the source holds A9, so nothing is dropped and nothing created."""
    ACCOUNT.run(world, *THREE)
    (row_id,) = [row["accountid"] for row in world.dataverse.rows("account") if row["accountnumber"] == "A3"]
    pages = DataverseClient.pages

    def twice(client: DataverseClient, *arguments: object, **options: object) -> Iterator[bytes]:
        yield from pages(client, *arguments, **options)  # type: ignore[arg-type]
        world.edit("accounts", row_id, {"accountnumber": "A9"})
        yield from pages(client, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(DataverseClient, "pages", twice)

    job = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2], ["A9", "Three", 3])

    assert (job.state, dict(job.planned), job.source.unchanged) == (JobState.SUCCEEDED, {}, 3)
    assert (job.destination.read, job.destination.matched, job.destination.closes) == (3, 3, True)


def test_what_nothing_heeds_yet_is_refused(world: World) -> None:
    """A file by https is not built: the job is refused before anything is read, and check says the same."""
    sync = ACCOUNT.but(source={"path": "https://files.example.com/data.csv"})

    (world.folder / "syncs" / "reach.yaml").write_text("outbound: [files.example.com]\n", encoding="utf-8")

    with pytest.raises(NotBuiltError) as refused:
        sync.run(world, *THREE)

    problems = [problem for problem in world.app.check("story") if problem.severity is Severity.ERROR]
    (problem,) = (problem for problem in problems if "does not run yet" in str(problem))
    assert problem.path == "source.path"
    assert str(problem) in str(refused.value)
    assert "use a local file" in str(refused.value)
    assert world.dataverse.rows("account") == []
