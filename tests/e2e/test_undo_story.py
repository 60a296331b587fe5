"""Stories of undo: what a job did is taken back, row by row, and what people did since is left alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from local.dataverse import LocalDataverse
from shared.engine.applying import Applier
from shared.errors import RefuseError
from shared.values.jobs import Job, JobState, Phase, Progress
from tests.e2e.conftest import World, an_hour_ago, closes, ignore
from tests.e2e.stories import Sync, column

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "size": "number"},
    maps={"no": "accountnumber", "name": "name", "size": "numberofemployees"},
    key=["accountnumber"],
    behaviour={"dropped": "delete"},
)
_STAMPS = ("createdon", "modifiedon", "versionnumber")


def undo(world: World, job: Job, *, apply: bool = True) -> Job:
    return closes(world.app.undo(job.id, started_by="otto", progress=ignore, apply=apply))


def table(world: World, name: str = "account") -> dict[object, Mapping[str, object]]:
    """All rows by id, without the stamps that every write changes."""
    return {
        row[f"{name}id"]: {key: value for key, value in row.items() if key not in _STAMPS}
        for row in world.dataverse.rows(name)
    }


def changed(world: World) -> Job:
    """A job that creates A4, updates A2 and deletes A1, over three rows that were there."""
    ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2], ["A3", "Three", 3])
    return ACCOUNT.run(world, ["A2", "Due", 2], ["A3", "Three", 3], ["A4", "Four", 4])


def test_undo_restores_the_table(world: World) -> None:
    """What was created is gone, what was changed has its old values, what was deleted is there under its id."""
    ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2], ["A3", "Three", 3])
    before = table(world)
    job = ACCOUNT.run(world, ["A2", "Due", 2], ["A3", "Three", 3], ["A4", "Four", 4])
    assert table(world) != before

    done = undo(world, job)

    assert (done.state, done.error, done.undoes) == (JobState.SUCCEEDED, None, job.id)
    assert table(world) == before
    assert done.planned == {"create": 1, "update": 1, "delete": 1}
    assert (done.source.read, done.source.created, done.source.updated, done.source.asked_to_delete) == (3, 1, 1, 1)
    assert (done.destination.read, done.destination.matched, done.destination.deleted) == (2, 1, 1)
    undone = world.app.job(job.id)
    assert (undone.state, undone.notes[-1]) == (JobState.UNDONE, f"undone by job {done.id}")
    assert (undone.source, undone.destination) == (job.source, job.destination)
    assert [one.id for one in world.app.jobs(limit=1)] == [done.id]


def test_the_plan_is_shown_first_and_applied_like_any_other(world: World) -> None:
    """`undo` plans; `apply` carries out exactly that; then nothing is left to undo."""
    job = changed(world)
    planned = undo(world, job, apply=False)
    assert planned.state is JobState.AWAITING_APPROVAL
    assert world.app.job(job.id).state is JobState.SUCCEEDED
    changes = {one.key: one for one in world.app.plan_sample(planned.id, limit=10)}
    assert {key: one.action for key, one in changes.items()} == {"A1": "create", "A2": "update", "A4": "delete"}
    assert [(f.column, f.old, f.new) for f in changes["A2"].fields] == [("name", "Due", "Two")]

    done = closes(world.apply(planned))

    assert (done.state, column(world, "name")) == (JobState.SUCCEEDED, {"A1": "One", "A2": "Two", "A3": "Three"})
    with pytest.raises(RefuseError, match=f"job {job.id} was undone by job {done.id}; a job is undone once"):
        undo(world, job)
    with pytest.raises(RefuseError, match=f"job {done.id} is the undo of job {job.id}"):
        undo(world, done)
    with pytest.raises(RefuseError, match="is Undone, which is final"):
        world.apply(job)


def test_a_job_that_wrote_nothing_is_not_undone(world: World) -> None:
    """Neither a plan that was never applied, nor a run that found everything as it is."""
    ACCOUNT.run(world, ["A1", "One", 1])
    for job in (world.run("story"), ACCOUNT.plan(world, ["A1", "Uno", 1])):
        with pytest.raises(RefuseError, match="wrote nothing, so there is nothing to undo"):
            undo(world, job)


def test_what_was_edited_since_is_left_alone(world: World) -> None:
    """A changed row whose value moved on, a deleted one that is back, a created one with a new value: conflicts."""
    job = changed(world)
    rows = {row["accountnumber"]: row for row in world.dataverse.rows("account")}
    world.edit("accounts", rows["A2"]["accountid"], {"name": "Deux"})
    world.edit("accounts", rows["A4"]["accountid"], {"numberofemployees": 44})
    world.dataverse.insert("account", [{"accountnumber": "A1", "name": "Another"}])

    done = undo(world, job)

    assert (done.state, done.source.conflict, done.destination.kept) == (JobState.COMPLETED_WITH_ERRORS, 3, 1)
    assert column(world, "name") == {"A1": "Another", "A2": "Deux", "A3": "Three", "A4": "Four"}
    told = {one.key: (one.type.value, one.column, one.reason) for one in world.app.rejects(done.id)}
    assert told["A2"] == ("Conflict", "name", "the row was changed after the job wrote it")
    assert told["A4"][0] == "Conflict"
    assert told["A1"][2] == "a row with this key was created after the plan was made"
    assert world.app.job(job.id).state is JobState.UNDONE


def test_a_created_row_with_an_edit_of_any_column_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the edit is in a column that the sync does not know."""
    job = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2])
    rows = {row["accountnumber"]: row for row in world.dataverse.rows("account")}
    clock = world.dataverse.application.service.world.clock
    monkeypatch.setattr(world.dataverse.application.service.world, "clock", lambda: clock() + timedelta(minutes=5))
    world.edit("accounts", rows["A2"]["accountid"], {"telephone1": "+31"})
    done = undo(world, job)
    assert (done.destination.deleted, done.destination.kept, done.source.conflict) == (1, 1, 1)
    assert column(world, "telephone1") == {"A2": "+31"}


def test_a_created_row_that_others_refer_to_stays(world: World) -> None:
    """Rows of other tables are counted, and told; the others go."""
    job = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2])
    rows = {row["accountnumber"]: row for row in world.dataverse.rows("account")}
    bind = {"parentcustomerid_account@odata.bind": f"/accounts({rows['A1']['accountid']})"}
    world.dataverse.insert("contact", [{"lastname": "Doe", **bind}, {"lastname": "Roe", **bind}])
    done = undo(world, job)
    (told,) = world.app.rejects(done.id)
    expected = "other rows refer to it (2 of contact.parentcustomerid); it is left alone"
    assert (told.key, told.reason) == ("A1", expected)
    assert column(world, "name") == {"A1": "One"}


def test_a_row_that_gets_a_child_after_the_plan_stays(world: World) -> None:
    """The look is repeated right before the delete."""
    job = ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2])
    planned = undo(world, job, apply=False)
    rows = {row["accountnumber"]: row for row in world.dataverse.rows("account")}
    bind = {"parentcustomerid_account@odata.bind": f"/accounts({rows['A1']['accountid']})"}
    world.dataverse.insert("contact", [{"lastname": "Doe", **bind}])
    done = closes(world.apply(planned))
    assert (done.state, done.destination.refused) == (JobState.COMPLETED_WITH_ERRORS, 1)
    assert column(world, "name") == {"A1": "One"}


LINKED = Sync(
    columns={"no": "text", "name": "text", "parent": "text"},
    maps={
        "no": "accountnumber",
        "name": "name",
        "parent": {
            "target": "parentaccountid",
            "link": {"entity": "account", "column": "accountnumber", "missing": "defer"},
        },
    },
    key=["accountnumber"],
    behaviour={"dropped": "delete"},
)


def test_rows_that_refer_to_each_other_go_and_come_back(world: World) -> None:
    """A created tree goes from its leaves on; a deleted one is made again with its links."""
    LINKED.run(world, ["R", "Root", ""])
    before = table(world)
    tree = (["R", "Root", ""], ["A", "a", "R"], ["B", "b", "A"], ["C", "c", "B"], ["D", "d", "A"])
    built = LINKED.run(world, *tree)
    whole = table(world)
    gone = LINKED.run(world, ["R", "Root", ""])
    assert table(world) == before

    assert undo(world, gone).state is JobState.SUCCEEDED
    assert table(world) == whole
    done = undo(world, built)
    assert (done.state, done.destination.deleted) == (JobState.SUCCEEDED, 4), list(world.app.rejects(done.id))
    assert table(world) == before


def test_a_parent_stays_with_the_child_that_stays(world: World) -> None:
    """A child that was edited keeps the rows that it refers to; its own children go."""
    LINKED.run(world, ["R", "Root", ""])
    built = LINKED.run(world, ["R", "Root", ""], ["A", "a", "R"], ["B", "b", "A"], ["C", "c", "B"])
    rows = {row["accountnumber"]: row for row in world.dataverse.rows("account")}
    world.edit("accounts", rows["B"]["accountid"], {"name": "Beta"})
    done = undo(world, built)
    assert (done.destination.deleted, done.destination.kept) == (1, 2)
    assert column(world, "name") == {"R": "Root", "A": "a", "B": "Beta"}


def test_a_link_of_an_older_row_is_taken_back_before_the_new_row_goes(world: World) -> None:
    """An older row that the job linked to a new one gets its old parent, so the new row has no child any more."""
    LINKED.run(world, ["R", "Root", ""], ["X", "x", "R"])
    before = table(world)
    job = LINKED.run(world, ["R", "Root", ""], ["X", "x", "N"], ["N", "new", ""])
    done = undo(world, job)
    assert done.state is JobState.SUCCEEDED, list(world.app.rejects(done.id))
    assert table(world) == before


def test_a_link_to_a_row_that_the_same_job_deleted_is_taken_back(world: World) -> None:
    """The delete cleared what the update had written just before; nobody edited it."""
    LINKED.run(world, ["R", "Root", ""], ["X", "x", "R"], ["D", "doomed", ""])
    before = table(world)
    job = LINKED.run(world, ["R", "Root", ""], ["X", "x", "D"], ["N", "new", "D"])
    cells = [(name, value) for row in table(world).values() for name, value in row.items()]
    assert not [value for name, value in cells if "parentaccountid" in name and value]
    done = undo(world, job)
    assert done.state is JobState.SUCCEEDED, list(world.app.rejects(done.id))
    assert table(world) == before


@pytest.mark.parametrize("dropped", [{"expire": "new_expiredon"}, {"deactivate": "Inactive"}])
def test_removals_and_revivals_are_reversed(world: World, dropped: object) -> None:
    """An expired or deactivated row is as before; one that was revived is expired or deactivated again."""
    sync = ACCOUNT.behaving(dropped=dropped)
    sync.run(world, ["A1", "One", 1], ["A2", "Two", 2])
    first = table(world)
    removed = sync.run(world, ["A2", "Two", 2])
    second = table(world)
    revived = sync.run(world, ["A1", "Uno", 1], ["A2", "Two", 2])

    done = undo(world, revived)
    assert (done.state, table(world)) == (JobState.SUCCEEDED, second)
    assert done.destination.expired + done.destination.deactivated == 1
    done = undo(world, removed)
    assert (done.state, done.source.updated, table(world)) == (JobState.SUCCEEDED, 1, first)


def test_created_rows_are_deactivated_where_the_definition_says_so(world: World) -> None:
    """`undo: { deactivate: … }`; the same where the table takes no deletes at all."""
    sync = ACCOUNT.behaving(undo={"deactivate": "Inactive"}, dropped="ignore")
    job = sync.run(world, ["A1", "One", 1])
    done = undo(world, job)
    assert (done.state, done.destination.deactivated) == (JobState.SUCCEEDED, 1)
    assert column(world, "statecode") == {"A1": 1}


DEACTIVATING = ACCOUNT.behaving(undo={"deactivate": "Inactive"}, dropped="ignore")


@pytest.mark.parametrize("since", ["an edit", "a child"])
def test_a_created_row_that_is_used_after_the_plan_is_not_deactivated(world: World, since: str) -> None:
    """An edit of any column, or a row that refers to it, between plan and approval: it stays as it is."""
    job = DEACTIVATING.run(world, ["A1", "One", 1], ["A2", "Two", 2])
    planned = undo(world, job, apply=False)
    ids = column(world, "accountid")
    if since == "an edit":
        world.edit("accounts", ids["A1"], {"telephone1": "+31"})
    else:
        bind = {"parentcustomerid_account@odata.bind": f"/accounts({ids['A1']})"}
        world.dataverse.insert("contact", [{"lastname": "Doe", **bind}])
    done = closes(world.apply(planned))
    assert (done.state, done.destination.refused) == (JobState.COMPLETED_WITH_ERRORS, 1)
    assert column(world, "statecode") == {"A1": 0, "A2": 1}
    (told,) = world.app.rejects(done.id)
    assert (told.key, told.type.value) == ("A1", "Conflict")
    (change,) = world.app.plan_sample(planned.id, limit=5, key="A2")
    assert {field.column for field in change.fields} == {"statecode", "statuscode"}


def test_a_created_tree_is_deactivated_whole(world: World) -> None:
    """Rows that refer to each other go together; an older one that was linked to them is taken back before."""
    sync = LINKED.behaving(undo={"deactivate": "Inactive"}, dropped="ignore")
    sync.run(world, ["R", "Root", ""], ["X", "x", "R"])
    parents = column(world, "_parentaccountid_value")
    job = sync.run(world, ["R", "Root", ""], ["X", "x", "N"], ["N", "new", ""], ["M", "more", "N"])
    done = undo(world, job)
    assert (done.state, done.destination.deactivated) == (JobState.SUCCEEDED, 2), list(world.app.rejects(done.id))
    assert column(world, "statecode") == {"R": 0, "X": 0, "N": 1, "M": 1}
    assert column(world, "_parentaccountid_value")["X"] == parents["X"]


FAMILY = """
tables:
  new_parent:
    name: new_name
    columns: { new_name: { type: text } }
  new_child:
    name: new_name
    set: new_children
    columns:
      new_name: { type: text }
      new_parentid: { type: lookup, targets: { new_parent: { relationship: new_children_of, delete: cascade } } }
"""


def test_what_a_cascade_took_is_said(tmp_path: Path) -> None:
    """A delete takes rows of other tables along; plan and undo tell how many, and the undo makes the row again."""
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
    (tmp_path / "tables.yaml").write_text(FAMILY, encoding="utf-8")
    parents = Sync({"name": "text"}, {"name": "new_name"}, ["new_name"], "new_parent", behaviour={"dropped": "delete"})
    with LocalDataverse(tmp_path / "tables.yaml", clock=an_hour_ago) as dataverse:
        world = World(dataverse, tmp_path, {})
        (parent,) = dataverse.insert("new_parent", [{"new_name": "One"}])
        dataverse.insert("new_child", [{"new_parentid@odata.bind": f"/new_parents({parent})"}] * 2)
        job = parents.run(world, ["Two"])
        assert "rows that hang below those to delete go along with them: 2 of new_child" in job.notes
        assert dataverse.rows("new_child") == []
        done = undo(world, job, apply=True)
        assert (done.state, done.source.created) == (JobState.SUCCEEDED, 1)
        assert [row["new_name"] for row in dataverse.rows("new_parent")] == ["One"]
        told = "rows that hung below deleted ones were deleted along with them and do not come back"
        assert f"{told} (as counted when the deletes were planned): 2 of new_child" in done.notes


def test_an_undo_after_later_jobs(world: World) -> None:
    """Row by row: what a later job changed again is left, the rest is taken back."""
    ACCOUNT.run(world, ["A1", "One", 1], ["A2", "Two", 2])
    job = ACCOUNT.run(world, ["A1", "Uno", 1], ["A2", "Due", 2])
    ACCOUNT.run(world, ["A1", "Uno", 1], ["A2", "Zwei", 2], ["A3", "Drei", 3])
    done = undo(world, job)
    assert (done.source.updated, done.source.conflict) == (1, 1)
    assert column(world, "name") == {"A1": "One", "A2": "Zwei", "A3": "Drei"}


def test_a_sync_that_is_switched_off_can_be_undone(world: World) -> None:
    """One switches the sync off, so that no run writes it all again, and takes the job back."""
    job = changed(world)
    ACCOUNT.but(rest={"enabled": False}).define(world)
    planned = undo(world, job, apply=False)
    assert world.apply(planned).state is JobState.SUCCEEDED
    assert column(world, "name") == {"A1": "One", "A2": "Two", "A3": "Three"}


CONTACT = Sync(
    columns={"no": "text", "kind": "text", "who": "text"},
    maps={
        "no": "externaluseridentifier",
        "who": {
            "target": "parentcustomerid",
            "link": {"entity": {"source": "kind"}, "column": "description", "missing": "null"},
        },
    },
    key=["externaluseridentifier"],
    entity="contact",
    behaviour={"dropped": "delete"},
)


def test_a_lookup_of_several_tables_gets_its_old_row_back(world: World) -> None:
    """The plan keeps an id only; the undo asks which table has it. A row that is gone is a conflict, or left out."""
    world.dataverse.insert("account", [{"name": "Acme", "description": "acme"}])
    world.dataverse.insert("contact", [{"lastname": "Boss", "description": "boss", "externaluseridentifier": "B"}])
    boss = ["B", "", ""]
    CONTACT.run(world, boss, ["C1", "account", "acme"], ["C2", "contact", "boss"], ["C3", "account", "acme"])
    before = table(world, "contact")
    job = CONTACT.run(world, boss, ["C1", "contact", "boss"], ["C2", "account", "acme"])
    done = undo(world, job)
    assert done.state is JobState.SUCCEEDED, list(world.app.rejects(done.id))
    assert table(world, "contact") == before

    CONTACT.run(world, boss, ["C1", "contact", "boss"], ["C2", "account", "acme"])
    last = CONTACT.run(world, boss, ["C1", "contact", "boss"], ["C2", "contact", "boss"])
    first = world.app.jobs(limit=2)[1]
    world.clear("account")
    done = undo(world, last)
    (told,) = world.app.rejects(done.id)
    assert (told.key, told.column, told.reason) == (
        "C2",
        "parentcustomerid",
        "the row that parentcustomerid pointed at is gone",
    )
    done = undo(world, first)
    lost = [one for one in world.app.rejects(done.id) if not one.rejecting]
    assert [(one.key, one.column, one.type.value) for one in lost] == [("C3", "parentcustomerid", "Unresolved Link")]
    assert {row["externaluseridentifier"] for row in world.dataverse.rows("contact")} == {"B", "C1", "C2", "C3"}


def test_an_undo_does_not_count_as_the_last_run(world: World) -> None:
    """The brake on a shrunken source compares with the last real run."""
    records = [[f"A{n}", "x", n] for n in range(60)]
    sync = ACCOUNT.behaving(dropped="ignore")
    job = sync.run(world, *records)
    sync.run(world, *records)
    undo(world, job)
    sync = sync.behaving(brakes={"creates": None, "updates": None, "rejects": None, "removals": None, "at_least": 1})
    held = sync.run(world, ["A1", "x", 1])
    assert [brake.name for brake in held.brakes] == ["shrunken_source"]


def test_another_environment_is_refused(world: World) -> None:
    """A definition that points elsewhere by now takes nothing back there."""
    job = changed(world)
    world.dataverse.application.service.world.store.run(
        "UPDATE organization SET organizationid = '0d000000-0000-4000-8000-000000000002'"
    )
    done = undo(world, job)
    assert (done.state, "another environment" in str(done.error)) == (JobState.FAILED, True)
    assert world.app.job(job.id).state is JobState.SUCCEEDED
    assert column(world, "name") == {"A2": "Due", "A3": "Three", "A4": "Four"}


def test_a_row_that_a_create_met_is_no_creation(world: World) -> None:
    """Somebody created the row while the job ran, so the job updated it: the undo does not delete what is theirs."""
    sync = Sync(
        columns={"no": "text", "name": "text"},
        maps={"no": "new_externalkey", "name": "name"},
        key=["new_externalkey"],
    )
    (change,) = world.app.plan_sample(sync.plan(world, ["K1", "Ours"]).id, limit=1)

    def meets(progress: Progress) -> None:
        if progress.phase is Phase.APPLY and progress.done == 0 and not world.dataverse.rows("account"):
            row = {"accountid": change.row_id, "new_externalkey": "K1", "name": "Theirs"}
            world.dataverse.insert("account", [row])

    job = world.app.start("story", variables={}, files={}, started_by="nia", progress=meets, apply=True)
    assert (closes(job).source.created, column(world, "name", key="new_externalkey")) == (1, {"K1": "Ours"})
    done = undo(world, job)
    assert (done.source.conflict, done.destination.kept) == (1, 1)
    assert [one.reason for one in world.app.rejects(done.id)] == [
        "a row with this key was there before the job, which updated it; what it held is not known"
    ]
    assert column(world, "name", key="new_externalkey") == {"K1": "Ours"}


def test_a_job_that_a_brake_stopped_in_its_course_is_undone(world: World) -> None:
    """What it had written is taken back; its plan is out of date with that."""
    sync = Sync(
        columns={"no": "text", "name": "text"},
        maps={"no": "new_externalkey", "name": "name"},
        key=["new_externalkey"],
        destination={"parallel": 1},
        behaviour={"brakes": {"removals": None, "creates": None, "updates": None, "rejects": "0%", "at_least": 1}},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=1))
        job = sync.run(world, ["C1", "good"], *([f"B{n}", "with a bell \a"] for n in range(4)), ["C2", "good"])
    assert (job.state, job.source.created) == (JobState.AWAITING_APPROVAL, 1)
    done = undo(world, job)
    assert (done.state, done.destination.deleted, done.source.ignored) == (JobState.SUCCEEDED, 1, 5)
    assert (world.app.job(job.id).state, world.dataverse.rows("account")) == (JobState.UNDONE, [])
