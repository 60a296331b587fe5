"""Stories of open rejects: kept until their key is read again, and run again after a fix."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.errors import RefuseError
from shared.values.cases import Choice
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes, ignore
from tests.e2e.stories import Sync, column

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "size": {"type": "number", "validate": True}},
    maps={"no": "accountnumber", "name": "name", "size": "numberofemployees"},
    key=["accountnumber"],
    behaviour={"dropped": "delete"},
)


def replay(
    world: World, target: str, *, cause: str | None = None, keys: tuple[str, ...] = (), apply: bool = True
) -> Job:
    choice = Choice(cause=cause, keys=keys)
    return closes(world.app.replay(target, choice, started_by="otto", progress=ignore, apply=apply))


def open_keys(world: World, target: str = "story") -> dict[str | None, str]:
    return {case.reject.key: case.job for case in world.app.open_rejects(target)}


def causes(world: World) -> Counter[str]:
    return Counter(case.reject.type.value for case in world.app.open_rejects("story"))


def test_a_reject_is_open_until_its_key_is_read_again(world: World) -> None:
    """Good, rejected again, or gone from a source that is read whole: the older case is closed."""
    first = ACCOUNT.run(world, ["A1", "One", "x"], ["A2", "Two", "y"], ["A3", "Three", "z"], ["A4", "Four", 4])
    assert (first.open_rejects, open_keys(world)) == (3, dict.fromkeys(["A1", "A2", "A3"], first.id))
    assert all(case.kept for case in world.app.open_rejects(first.id))

    second = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", "yy"], ["A4", "Four", 4])
    assert (second.open_rejects, open_keys(world)) == (1, {"A2": second.id})
    assert list(world.app.open_rejects(first.id)) == []

    third = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2], ["A4", "Four", 4])
    assert (third.open_rejects, open_keys(world)) == (0, {})


def test_a_delta_closes_only_the_keys_that_it_reads(world: World) -> None:
    """Absence means nothing there; a record that the filter leaves out by now closes its case."""
    delta = ACCOUNT.behaving(strategy="delta", dropped="ignore")
    first = delta.run(world, ["A1", "One", "x"], ["A2", "Two", "y"])
    second = delta.run(world, ["a2 ", "Two", 2], ["A3", "Three", "z"])
    assert open_keys(world) == {"A1": first.id, "A3": second.id}
    assert second.open_rejects == 2
    told = world.folder / "state" / "jobs"
    third = delta.but(source={"filter": "name <> 'Out'"}).run(
        world, ["a1", "Out", 1], ["A4", "Out", "x"], ["A5", "In", 5]
    )
    assert (third.source.filtered, open_keys(world)) == (2, {"A3": second.id})
    assert [one for one in (second, third) if (told / one.id / "records.parquet").exists()] == [second]


REGIONAL = ACCOUNT.but(
    columns={"region": "text", **ACCOUNT.columns},
    source={"filter": "region = @region and name <> 'Out'"},
    rest={"variables": {"region": {}}},
).behaving(strategy="delta", dropped="ignore")
EMEA, NA = {"region": "EMEA"}, {"region": "NA"}


def test_a_filter_by_variable_closes_nothing_of_another_choice(world: World) -> None:
    """A run for one region leaves the other's records out; what is open of those stays open, until its own run."""
    first = REGIONAL.run(world, ["EMEA", "A1", "One", "x"], variables=EMEA)
    REGIONAL.run(world, ["EMEA", "A1", "One", "x"], ["NA", "A2", "Two", 2], variables=NA)
    assert open_keys(world) == {"A1": first.id}
    REGIONAL.read(world, ["NA", "A2", "Two", "y"])
    second = world.app.queue("story", variables=NA, files={}, started_by="nia", apply=True)
    queued = world.app.queue_replay("story", Choice(), by="otto", apply=True)
    world.app.slice(second.id, progress=ignore)
    done = closes(world.app.slice(queued.id, progress=ignore))
    assert (done.source.read, done.source.rejected) == (1, 1), "what was set aside since has other variables"
    assert open_keys(world) == {"A1": done.id, "A2": second.id}
    REGIONAL.run(world, ["EMEA", "A1", "Out", 1], variables=EMEA)
    assert open_keys(world) == {"A2": second.id}


def shortest(length: int) -> Sync:
    """The sync, taking names up to a length."""
    return ACCOUNT.but(columns={**ACCOUNT.columns, "name": {"type": "text", "max_length": length, "validate": True}})


def test_a_replay_after_a_fix_of_the_definition(world: World) -> None:
    """The records come from the store; what lands is closed, what is rejected again is a new case; nothing drops."""
    first = shortest(3).run(world, ["A1", "Three", 1], ["A2", "Seventeen", 2], ["A4", "Six", 4])
    world.write("data.csv", "gone")
    shortest(5).define(world)

    done = replay(world, "story")

    assert (done.state, done.replays) == (JobState.COMPLETED_WITH_ERRORS, "story")
    assert (done.source.read, done.source.created, done.source.rejected) == (2, 1, 1)
    assert column(world, "numberofemployees") == {"A1": 1, "A4": 4}
    assert (open_keys(world), done.open_rejects) == ({"A2": done.id}, 1)
    again = replay(world, done.id)
    assert (again.source.rejected, open_keys(world)) == (1, {"A2": again.id})
    assert world.app.job(first.id).open_rejects == 2, "what it was when it ended"


def test_a_replay_of_what_dataverse_refused(world: World) -> None:
    """The record of a change that was refused is kept as well."""
    job = ACCOUNT.run(world, ["A1", "bell \a", 1], ["A2", "bell \a", 2], ["A3", "Three", 3])
    assert (job.source.rejected, causes(world)) == (2, {"Refused by Dataverse": 2})
    name = {"type": "text", "replace": [{"pattern": "[^ -~]", "with": ""}]}
    ACCOUNT.but(columns={**ACCOUNT.columns, "name": name}).define(world)

    planned = replay(world, job.id, keys=("A2",), apply=False)

    assert (planned.state, planned.planned) == (JobState.AWAITING_APPROVAL, {"create": 1})
    assert open_keys(world) == {"A1": job.id, "A2": job.id}
    assert world.apply(planned).state is JobState.SUCCEEDED
    assert open_keys(world) == {"A1": job.id}
    assert replay(world, "story", cause="refused by dataverse").state is JobState.SUCCEEDED
    assert column(world, "name") == {"A1": "bell ", "A2": "bell ", "A3": "Three"}
    assert open_keys(world) == {}


def test_a_replay_is_chosen_by_cause_and_key(world: World) -> None:
    """By type, by type and column, by key; what fits nothing is said with what there is."""
    columns = {**ACCOUNT.columns, "name": {"type": "text", "max_length": 3, "validate": True}}
    sync = ACCOUNT.but(columns=columns).behaving(strategy="delta", dropped="ignore")
    sync.run(world, ["A1", "One", "x"], ["A2", "Three", 2], ["A3", "Four", "z"])
    assert causes(world) == {"Invalid Format": 2, "Max Length Violation": 2}
    with pytest.raises(
        RefuseError, match=r"no open rejects with cause 'Unknown'; their causes are Invalid Format/size"
    ):
        replay(world, "story", cause="Unknown")
    with pytest.raises(RefuseError, match="no open rejects with key Z"):
        replay(world, "story", keys=("Z",))
    found = list(world.app.open_rejects("story", Choice(keys=("á2 ", "a3"))))
    assert [case.reject.key for case in found] == ["A2", "A3", "A3"], "as the server compares keys"
    done = replay(world, "story", cause="Max Length Violation/name", keys=("á2 ",))
    assert (done.source.read, done.source.rejected) == (1, 1)
    assert done.replays == "story with cause 'Max Length Violation/name' with key á2"


def test_what_a_later_job_wrote_is_not_put_back(world: World) -> None:
    """A later job that was stopped half-way has read a newer record of the key: the older one is stale, and closed."""
    delta = ACCOUNT.behaving(strategy="delta", dropped="ignore")
    delta.run(world, ["A1", "Old", "x"], ["A2", "Old", "y"], ["A5", "Five", 5])
    world.dataverse.inject({"status": 403, "code": "0x80040225", "message": "UpdateMultiple", "count": 100})
    stopped = delta.run(world, ["A1", "New", 1], ["A5", "Fünf", 5])
    assert (stopped.state, stopped.source.created) == (JobState.FAILED, 1)
    world.dataverse.application.faults.clear()
    delta.but(columns={**delta.columns, "size": "number"}).define(world)

    done = replay(world, "story")

    assert (done.source.read, done.source.stale, done.source.created) == (2, 1, 1)
    assert column(world, "name") == {"A1": "New", "A2": "Old", "A5": "Five"}
    assert open_keys(world) == {}


def test_a_line_that_could_not_be_split_cannot_be_replayed(world: World) -> None:
    """It is open, and a replay says what to do instead."""
    ACCOUNT.define(world)
    world.write("data.csv", "no,name,size\nA1,One,1,2,3\n")
    closes(world.run("story"))
    (case,) = world.app.open_rejects("story")
    assert (case.kept, case.reject.key) == (False, None)
    with pytest.raises(RefuseError, match="could not be split into cells"):
        replay(world, "story")
    ACCOUNT.run(world, ["A1", "One", 1])
    assert list(world.app.open_rejects("story")) == []


def test_an_undo_leaves_open_rejects_as_they_are(world: World) -> None:
    """They are of what did not land."""
    job = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", "x"])
    world.app.undo(job.id, started_by="otto", progress=ignore, apply=True)
    assert open_keys(world) == {"A2": job.id}


def test_a_job_without_rejects_keeps_no_records(world: World) -> None:
    """Source rows are kept for rejects only."""
    job = ACCOUNT.run(world, ["A1", "One", 1])
    assert job.open_rejects == 0
    assert not (world.folder / "state" / "jobs" / job.id / "records.parquet").exists()
    rejected = ACCOUNT.run(world, ["A1", "Uno", 1], ["A2", "Due", "x"], ["A3", "Tre", "y"])
    more = (world.folder / "state" / "jobs" / rejected.id / "records.parquet").read_bytes()
    assert b"Due" in more
    assert b"Uno" not in more


def test_an_open_reject_goes_with_its_job(world: World) -> None:
    """When a job is removed by age, its rejects are not listed any more; the others are."""
    delta = ACCOUNT.behaving(strategy="delta", dropped="ignore")
    first = delta.run(world, ["A1", "One", "x"])
    second = delta.run(world, ["A2", "Two", "y"])
    world.app._state.forget(first.id)
    third = delta.run(world, ["A3", "Three", 3])
    assert (open_keys(world), third.open_rejects) == ({"A2": second.id}, 1)


def test_a_queued_replay_is_worked_on_in_its_turn(world: World) -> None:
    """What is open then is run again, of what was chosen; it needs nothing but the store."""
    first = shortest(3).run(world, ["A1", "Three", 1], ["A2", "Two", 2])
    shortest(5).define(world)
    queued = world.app.queue_replay(first.id, Choice(), by="otto", apply=True)
    assert (queued.state, queued.replays) == (JobState.QUEUED, f"story of job {first.id}")
    assert open_keys(world) == {"A1": first.id}
    done = closes(world.app.slice(queued.id, progress=ignore))
    assert (done.state, done.source.created, open_keys(world)) == (JobState.SUCCEEDED, 1, {})


def test_a_column_that_the_definition_got_since_is_left_alone(world: World) -> None:
    """A kept record does not have it, so a replay neither writes nor clears it."""
    world.dataverse.insert("account", [{"accountnumber": "A1", "fax": "1"}])
    shortest(3).behaving(dropped="ignore").run(world, ["A1", "Three", 1])
    wider = shortest(5).behaving(dropped="ignore")
    wider.but(columns={**wider.columns, "fax": "text"}, maps={**wider.maps, "fax": "fax"}).define(world)
    done = replay(world, "story")
    assert (done.state, done.source.updated) == (JobState.SUCCEEDED, 1), list(world.app.rejects(done.id))
    assert (column(world, "name"), column(world, "fax")) == ({"A1": "Three"}, {"A1": "1"})


def test_what_a_record_lacks_it_lacks_in_a_replay(world: World) -> None:
    """An absent cell is not cleared by the replay; a column that the definition got since is left alone as well."""
    sync = ACCOUNT.but(
        columns={"no": "text", "name": {"type": "text", "max_length": 3, "validate": True}, "size": "number"},
        source={"type": "json", "path": "data.json"},
        behaviour={"strategy": "delta"},
    )
    sync.define(world)
    world.dataverse.insert("account", [{"accountnumber": "A1", "numberofemployees": 7, "fax": "1"}])
    world.write("data.json", '[{"no": "A1", "name": "Three"}]')
    closes(world.run("story"))
    wider = sync.but(
        columns={**sync.columns, "name": {"type": "text", "max_length": 5, "validate": True}, "fax": "text"},
        maps={**sync.maps, "fax": "fax"},
    )
    wider.define(world)
    done = replay(world, "story")
    assert (done.state, done.source.updated) == (JobState.SUCCEEDED, 1), list(world.app.rejects(done.id))
    (row,) = world.dataverse.rows("account")
    assert (row["name"], row["numberofemployees"], row["fax"]) == ("Three", 7, "1")


def test_keys_of_every_type_are_known_again(world: World) -> None:
    """A key of several columns, none of them text alone: the list holds it as text, the next job meets it typed."""
    sync = Sync(
        columns={
            "size": "number",
            "opened": {"type": "date", "input_format": "%d/%m/%Y"},
            "who": "text",
            "name": {"type": "text", "max_length": 3, "validate": True},
        },
        maps={"size": "numberofemployees", "opened": "new_openedon", "who": "fax", "name": "name"},
        key=["numberofemployees", "new_openedon", "fax"],
        behaviour={"strategy": "delta"},
    )
    first = sync.run(world, ["1", "31/12/2025", "Ünal | ", "Three"], ["2", "01/01/2026", "b", "Seven"])
    assert first.open_rejects == 2
    second = sync.run(world, ["1", "31/12/2025", "ÜNAL |", "One"], ["2", "02/01/2026", "b", "Two"])
    assert (second.source.created, second.open_rejects) == (2, 1)
    (left,) = world.app.open_rejects("story")
    assert (left.job, left.reject.row) == (first.id, 2)
