"""Links to rows that the same job creates: `missing: defer`."""

from __future__ import annotations

import pytest

from shared.values.changes import Action
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes
from tests.e2e.stories import Sync, column, fields, rejects

LINK = {"entity": "account", "column": "accountnumber", "missing": "defer"}
TREE = Sync(
    columns={"no": "text", "name": "text", "parent": "text"},
    maps={"no": "accountnumber", "name": "name", "parent": {"target": "parentaccountid", "link": LINK}},
    key=["accountnumber"],
)
LOOSE = TREE.but(
    maps={
        **TREE.maps,
        "no": "new_externalkey",
        "parent": {"target": "parentaccountid", "link": {**LINK, "column": "new_externalkey"}},
    },
    key=["new_externalkey"],
)


def parents(world: World, key: str = "accountnumber") -> dict[object, object]:
    """Each row's parent, both by key."""
    keys = column(world, "accountid", key=key)
    names = {row_id: name for name, row_id in keys.items()}
    return {name: names.get(parent) for name, parent in column(world, "_parentaccountid_value", key=key).items()}


@pytest.mark.parametrize(("sync", "key"), [(TREE, "accountnumber"), (LOOSE, "new_externalkey")])
def test_parents_of_the_same_job_in_any_order_and_in_a_circle(world: World, sync: Sync, key: str) -> None:
    """Children before their parents, and a circle; one change each; keys as the server sees them; then nothing."""
    job = sync.runs_clean(world, ["A1", "a", "a3 "], ["A2", "b", "A1"], ["A3", "c", "A2"], ["A4", "d", ""])

    assert (job.planned, job.source.created, job.skipped_cells) == ({Action.CREATE: 4}, 4, 0)
    assert parents(world, key) == {"A1": "A3", "A2": "A1", "A3": "A2", "A4": None}


def test_the_plan_shows_the_link(world: World) -> None:
    """A person sees which row the new one will belong to, before anything is written."""
    plan = TREE.plan(world, ["A1", "a", "A2"], ["A2", "b", ""])

    shown = fields(world, plan)
    assert shown["A1"]["parentaccountid"] == world.app.plan_sample(plan.id, limit=9, key="A2")[0].row_id
    assert "parentaccountid" not in shown["A2"]
    assert closes(world.apply(plan)).state is JobState.SUCCEEDED
    assert parents(world) == {"A1": "A2", "A2": None}
    TREE.settled(world)


def test_a_parent_that_exists_needs_no_second_step(world: World) -> None:
    """Rows are created with the link, in one request."""
    TREE.runs_clean(world, ["A1", "a", ""])
    world.dataverse.clear_requests()

    TREE.run(world, ["A1", "a", ""], ["A2", "b", "A1"])

    assert [write.rpartition(".")[2] for write in world.writes()] == ["CreateMultiple"]
    assert parents(world)["A2"] == "A1"


def test_an_existing_row_moves_below_a_new_one(world: World) -> None:
    """An update that waits for a new parent: other columns are written first, the link alone is an update too."""
    TREE.runs_clean(world, ["A1", "a", ""], ["A2", "b", "A1"], ["A3", "c", ""])

    job = TREE.runs_clean(world, ["A1", "a", "A9"], ["A2", "new", "A9"], ["A3", "c", ""], ["A9", "top", ""])

    assert job.planned == {Action.CREATE: 1, Action.UPDATE: 2}
    assert (job.source.created, job.source.updated, job.source.unchanged) == (1, 2, 1)
    assert parents(world) == {"A1": "A9", "A2": "A9", "A3": None, "A9": None}
    assert column(world, "name")["A2"] == "new"


def test_links_are_set_before_rows_are_deleted(world: World) -> None:
    """A row whose parent is dropped is below its new parent by then."""
    sync = TREE.behaving(dropped="delete")
    sync.runs_clean(world, ["A1", "a", ""], ["A2", "b", "A1"])

    sync.run(world, ["A2", "b", "A3"], ["A3", "c", ""])

    assert parents(world) == {"A2": "A3", "A3": None}
    writes = [write.rpartition(".")[2].rpartition(" ")[2] for write in world.writes()]
    assert writes.index("UpdateMultiple") < len(writes) - 1


def test_what_no_record_brings_is_told_and_the_rest_lands(world: World) -> None:
    """An unknown parent is a reject (Unresolved Link) of the link alone: the row is there, an older link is kept."""
    TREE.runs_clean(world, ["A1", "a", ""], ["A2", "b", "A1"])

    job = TREE.run(world, ["A1", "a", "none"], ["A2", "new", "none"], ["A3", "c", "none"], ["A4", "d", "A3"])

    assert (job.state, job.source.created, job.source.updated) == (JobState.COMPLETED_WITH_ERRORS, 2, 1)
    assert rejects(world, job) == [(n, "Unresolved Link", "parentaccountid") for n in (1, 2, 3)]
    assert parents(world) == {"A1": None, "A2": "A1", "A3": None, "A4": "A3"}
    assert column(world, "name")["A2"] == "new"
    TREE.settled(world)


def test_a_parent_that_is_rejected_while_reading(world: World) -> None:
    """Its children land without it."""
    job = TREE.run(world, ["A1", "a", "A2"], ["A2", "b" * 200, ""])

    assert (job.source.created, job.source.rejected) == (1, 1)
    assert rejects(world, job) == [(1, "Unresolved Link", "parentaccountid"), (2, "Max Length Violation", "name")]
    assert parents(world) == {"A1": None}


def test_a_parent_that_dataverse_refuses(world: World) -> None:
    """Its children are there without it, and each is a reject; with the next run everything is in place."""
    step = world.dataverse.on(lambda event: event.refuse("no") if event.row.get("name") == "bad" else None, "account")

    records = ["A1", "a", "A2"], ["A2", "bad", ""], ["A3", "c", "A1"]
    job = TREE.run(world, *records)

    assert (job.state, job.source.created, job.source.rejected) == (JobState.COMPLETED_WITH_ERRORS, 1, 2)
    assert sorted(rejects(world, job), key=str) == [
        (1, "Unresolved Link", "parentaccountid"),
        (2, "Refused by Dataverse", None),
    ]
    assert parents(world) == {"A1": None, "A3": "A1"}
    world.dataverse.remove(step)
    TREE.runs_clean(world, *records)
    assert parents(world) == {"A1": "A2", "A2": None, "A3": "A1"}


def test_a_link_that_dataverse_refuses(world: World) -> None:
    """The row is there, the link is not: one reject with Dataverse's words, and the neighbours' links are set."""
    world.dataverse.on(
        lambda event: event.refuse("no such link") if (event.before or {}).get("name") == "a" else None,
        "account",
        "Update",
    )

    job = TREE.run(world, ["A1", "a", "A3"], ["A2", "b", "A3"], ["A3", "c", ""])

    (reject,) = world.app.rejects(job.id)
    assert (reject.row, reject.type.value) == (1, "Refused by Dataverse")
    assert "without its link" in reject.reason
    assert "no such link" in reject.reason
    assert parents(world) == {"A1": None, "A2": "A3", "A3": None}
    assert (job.source.created, job.source.rejected) == (2, 1)


def test_two_new_rows_that_a_link_names(world: World) -> None:
    """No row is guessed: the record is set aside."""
    by_name = {"target": "parentaccountid", "link": {**LINK, "column": "name"}}
    sync = TREE.but(maps={**TREE.maps, "parent": by_name})

    job = sync.run(world, ["A1", "twin", ""], ["A2", "Twin", ""], ["A3", "c", "TWIN"], ["A4", "d", "c"])

    assert rejects(world, job) == [
        (3, "Ambiguous Link", "parentaccountid"),
        (4, "Unresolved Link", "parentaccountid"),
    ]
    assert parents(world) == {"A1": None, "A2": None, "A4": None}


def test_a_parent_found_by_several_columns(world: World) -> None:
    """All columns must match; two deferred lookups of one row are set in one step."""
    link = {"entity": "account", "column": ["name", "fax"], "missing": "defer"}
    sync = TREE.but(
        columns={"no": "text", "name": "text", "fax": "text", "pname": "text", "pfax": "text"},
        maps={
            "no": "accountnumber",
            "name": "name",
            "fax": "fax",
            "pname+pfax": {"target": "parentaccountid", "link": link},
        },
    )

    job = sync.run(world, ["A1", "x", "1", "X", "2"], ["A2", "x", "2", "x", "3"], ["A3", "y", "2", "", ""])

    assert rejects(world, job) == [(2, "Unresolved Link", "parentaccountid")]
    assert parents(world) == {"A1": "A2", "A2": None, "A3": None}


def test_a_polymorphic_link_waits_for_rows_of_its_own_table(world: World) -> None:
    """Contacts below new contacts; an account that is not there is not waited for."""
    link = {"entity": {"source": "kind"}, "column": "emailaddress1", "missing": "defer"}
    sync = Sync(
        entity="contact",
        columns={"no": "text", "mail": "text", "kind": "text", "whose": "text"},
        maps={
            "no": "externaluseridentifier",
            "mail": "emailaddress1",
            "whose": {"target": "parentcustomerid", "link": link},
        },
        key=["externaluseridentifier"],
    )

    job = sync.run(world, ["1", "a@x", " Contact", "B@x"], ["2", "b@x", "", ""], ["3", "c@x", "account", "b@x"])

    assert rejects(world, job) == [(3, "Unresolved Link", "parentcustomerid")]
    found = {row["externaluseridentifier"]: row for row in world.dataverse.rows("contact")}
    assert found["1"]["_parentcustomerid_value"] == found["2"]["contactid"]
    sync.settled(world)


def test_an_inactive_row_is_created_set_inactive_and_linked(world: World) -> None:
    """Three steps, one change, one outcome."""
    sync = TREE.but(columns={**TREE.columns, "state": "text"}, maps={**TREE.maps, "state": "statecode"})

    job = sync.runs_clean(world, ["A1", "a", "A2", "Inactive"], ["A2", "b", "", "Active"])

    assert (job.planned, job.source.created) == ({Action.CREATE: 2}, 2)
    assert (parents(world), column(world, "statecode")) == ({"A1": "A2", "A2": None}, {"A1": 1, "A2": 0})


def test_a_new_row_whose_derived_id_is_taken_is_linked_all_the_same(world: World) -> None:
    """A row was re-keyed, so its old key's id belongs to another key: parent and child get the next derivation."""
    LOOSE.runs_clean(world, ["A1", "a", ""], ["A2", "b", ""])
    for old, new in (("A1", "B1"), ("A2", "B2")):
        row_id = column(world, "accountid", key="new_externalkey")[old]
        world.edit("accounts", row_id, {"new_externalkey": new})

    LOOSE.runs_clean(world, ["A1", "a", "A2"], ["A2", "b", ""], ["A3", "c", "A1"])

    expected = {"A1": "A2", "A2": None, "A3": "A1", "B1": None, "B2": None}
    assert parents(world, "new_externalkey") == expected


def test_records_that_are_not_written_wait_for_nothing(world: World) -> None:
    """New records that are ignored, and records that ask to be deleted, are no parents and no rejects."""
    sync = TREE.but(columns={**TREE.columns, "do": "text"}).behaving(action_column="do")
    sync.run(world, ["A1", "a", "", "INSERT"])

    job = sync.run(world, ["A1", "a", "none", "DELETE"], ["A2", "b", "A3", "INSERT"], ["A3", "c", "A1", "DELETE"])

    assert rejects(world, job) == [(2, "Unresolved Link", "parentaccountid")]
    assert parents(world) == {"A2": None}
    ignored = TREE.behaving(new="ignore").run(world, ["A2", "b", "A9"], ["A9", "c", "A8"])
    assert rejects(world, ignored) == [(1, "Unresolved Link", "parentaccountid")]


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ({"entity": "contact", "column": "lastname"}, ["contact", "account"]),
        ({"where": "statecode eq 0"}, ["where"]),
        ({"column": "fax"}, ["fax", "does not fill"]),
    ],
)
def test_what_cannot_be_deferred_is_said_at_check(world: World, link: dict[str, object], says: list[str]) -> None:
    """Another table, a filter that a new row cannot be held against, a column that the sync does not fill."""
    target = "primarycontactid" if link.get("entity") == "contact" else "parentaccountid"
    sync = TREE.but(maps={**TREE.maps, "parent": {"target": target, "link": {**LINK, **link}}})
    sync.read(world, ["A1", "a", "A2"])

    (problem,) = [one for one in world.app.check(sync.name) if one.path == "mappings.2.link.missing"]

    assert all(word in str(problem) for word in says), problem
    assert world.run(sync.name).state is JobState.FAILED


def test_a_brake_holds_deferred_rows_with_the_rest(world: World) -> None:
    """A plan that waits shows and later applies the whole change."""
    job = TREE.behaving(approval="required").run(world, ["A1", "a", "A2"], ["A2", "b", ""])
    assert isinstance(job, Job)
    assert job.state is JobState.AWAITING_APPROVAL

    assert closes(world.apply(job)).source.created == 2
    assert parents(world) == {"A1": "A2", "A2": None}
