from __future__ import annotations

from shared.values.jobs import JobState
from tests.e2e.conftest import World

SOURCE = """
  type: delimited
  path: accounts.csv
  time_zone: Europe/Amsterdam
  schema:
    - { name: no, type: text, mandatory: true, validate: true, trim: true }
    - { name: name, type: text }
    - { name: credit, type: number, validate: true }
    - { name: tier, type: text }
    - { name: opened, type: date, validate: true }
    - { name: parent, type: text }
"""
DESTINATION = """
  entity: account
  id_column: accountid
  currency: EUR
"""
REST = """
mappings:
  - { source: no, target: accountnumber }
  - { source: name, target: name }
  - { source: credit, target: creditlimit }
  - { source: tier, target: new_tier }
  - { source: opened, target: new_openedon }
  - { source: parent, target: parentaccountid, link: { entity: account, column: accountnumber } }
behaviour:
  strategy: full
  key: [accountnumber]
"""
HEADER = "no,name,credit,tier,opened,parent\n"


def rows_by_number(world: World) -> dict[str, dict[str, object]]:
    return {str(row["accountnumber"]): row for row in world.dataverse.rows("account")}


def test_a_file_becomes_rows_and_a_second_run_writes_nothing(world: World) -> None:
    """A run creates what is new; a run without changes sends no write at all."""
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=REST)
    world.write("accounts.csv", HEADER + "A1,Ærø Færge,100.50,Gold,2020-01-31,\nA2,北京,7,Silver,,\n")

    job = world.run("accounts")

    assert (job.state, job.source.created, job.error) == (JobState.SUCCEEDED, 2, None)
    assert job.source.closes
    assert job.destination.closes
    row = rows_by_number(world)["A1"]
    assert row["name"] == "Ærø Færge"
    assert row["new_openedon"] == "2020-01-31"
    world.dataverse.clear_requests()
    again = world.run("accounts")
    assert (again.state, again.source.unchanged) == (JobState.SUCCEEDED, 2)
    assert world.writes() == []


def test_only_the_columns_that_differ_are_sent(world: World) -> None:
    """An update holds the changed members and nothing else; lookups are found by their column."""
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=REST)
    world.write("accounts.csv", HEADER + "A1,One,1,Gold,2020-01-31,\nA2,Two,2,Gold,,\n")
    world.run("accounts")
    world.write("accounts.csv", HEADER + "A1,One,1,Gold,2020-01-31,\nA2,Two,2,Gold,,a1 \n")

    plan = world.plan("accounts")

    (change,) = world.app.plan_sample(plan.id, limit=10)
    assert [field.column for field in change.fields] == ["parentaccountid"]
    assert world.apply(plan).source.updated == 1
    rows = rows_by_number(world)
    assert rows["A2"]["_parentaccountid_value"] == rows["A1"]["accountid"]


def test_bad_records_are_set_aside_and_their_neighbours_land(world: World) -> None:
    """Each bad record has its reason, key and row number; none of its neighbours is held back."""
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=REST)
    lines = [
        "A1,Good,1,Gold,,",
        "A2,Bad,x,Gold,,",
        "A3,Bad,1,Platinum,,",
        "A4,Bad,1,,,A99",
        ",No key,1,,,",
        "A6,Good,6,,,",
    ]
    world.write("accounts.csv", HEADER + "\n".join(lines) + "\n")

    job = world.run("accounts")

    assert job.state is JobState.COMPLETED_WITH_ERRORS
    assert job.source.created == 2
    assert job.source.rejected == 4
    assert job.source.closes
    found = {(reject.row, reject.type.value, reject.column) for reject in world.app.rejects(job.id)}
    assert found == {
        (2, "Invalid Format", "credit"),
        (3, "Unknown Option", "new_tier"),
        (4, "Unresolved Link", "parentaccountid"),
        (5, "Mandatory Rule Violation", "no"),
    }


def test_dropped_rows_are_deleted_behind_a_brake(world: World) -> None:
    """A removal beyond the brake waits with its plan; approved, it is applied row by row."""
    rest = REST + "  dropped: delete\n  brakes: { at_least: 1 }\n"
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=rest)
    world.write("accounts.csv", HEADER + "".join(f"A{n},Name {n},1,,,\n" for n in range(10)))
    world.run("accounts")
    world.write("accounts.csv", HEADER + "".join(f"A{n},Name {n},1,,,\n" for n in range(7)))
    world.dataverse.clear_requests()

    job = world.run("accounts")

    assert job.state is JobState.AWAITING_APPROVAL
    assert [brake.name for brake in job.brakes] == ["removals"]
    assert world.writes() == []
    done = world.apply(job)
    assert (done.state, done.destination.deleted, done.destination.closes) == (JobState.SUCCEEDED, 3, True)
    assert len(world.dataverse.rows("account")) == 7


def test_an_approved_plan_skips_rows_that_moved(world: World) -> None:
    """A row edited after the plan was made is a conflict, and is left as it is; so is one that has another key now."""
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=REST)
    world.write("accounts.csv", HEADER + "A1,One,1,,,\nA2,Two,2,,,\nA3,Three,3,,,\n")
    world.run("accounts")
    world.write("accounts.csv", HEADER + "A1,Mine,1,,,\nA2,Mine,2,,,\nA3,Mine,3,,,\n")
    plan = world.plan("accounts")
    rows = rows_by_number(world)
    world.edit("accounts", rows["A1"]["accountid"], {"name": "Edited by a person"})
    world.edit("accounts", rows["A2"]["accountid"], {"accountnumber": "a2 "})
    world.edit("accounts", rows["A3"]["accountid"], {"accountnumber": "B3"})

    job = world.apply(plan)

    assert (job.source.updated, job.source.conflict) == (1, 2)
    names = {number.strip(): row["name"] for number, row in rows_by_number(world).items()}
    assert names == {"A1": "Edited by a person", "a2": "Mine", "B3": "Three"}


def test_rows_of_one_family_are_deleted_together(world: World) -> None:
    """What the plan's own deletes did to a row, clearing its link, is no edit by a person; a real edit still is."""
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=REST + "  dropped: delete\n")
    rows = [f"A{n},Name,1,,,\n" for n in range(9)]
    world.write("accounts.csv", HEADER + "".join(rows))
    world.run("accounts")
    ids = {number: row["accountid"] for number, row in rows_by_number(world).items()}
    for n in range(1, 8):
        world.edit("accounts", ids[f"A{n}"], {"parentaccountid@odata.bind": f"/accounts({ids[f'A{n - 1}']})"})
    world.write("accounts.csv", HEADER + rows[8])
    plan = world.plan("accounts")
    world.edit("accounts", ids["A5"], {"name": "Edited by a person"})

    job = world.apply(plan)

    assert (job.destination.deleted, job.destination.refused, job.destination.closes) == (7, 1, True)
    assert sorted(rows_by_number(world)) == ["A5", "A8"]


def test_a_plan_is_read_in_words(world: World) -> None:
    """Choices are shown by their labels; of a deleted row only what the sync maps."""
    rest = REST + "  dropped: delete\n  brakes: { removals: null }\n"
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=rest)
    world.write("accounts.csv", HEADER + "A1,One,1,Gold,,\nA2,Two,2,Silver,,\n")
    world.run("accounts")
    world.write("accounts.csv", HEADER + "A1,One,1,Silver,,\n")

    plan = world.plan("accounts")

    update, delete = world.app.plan_sample(plan.id, limit=10)
    (tier,) = update.fields
    assert (tier.column, tier.old_label, tier.new_label) == ("new_tier", "Gold", "Silver")
    mapped = {"accountnumber", "name", "creditlimit", "new_tier", "new_openedon", "parentaccountid"}
    assert {field.column for field in delete.fields} <= mapped | {"transactioncurrencyid"}


def test_a_newer_job_says_that_it_makes_an_open_plan_out_of_date(world: World) -> None:
    """The older plan is superseded, and the newer job's notes name it."""
    world.define("accounts", source=SOURCE, destination=DESTINATION, rest=REST)
    world.write("accounts.csv", HEADER + "A1,One,1,Gold,,\n")
    first = world.plan("accounts")

    second = world.plan("accounts")

    assert f"the open plan of job {first.id} is out of date now" in second.notes
    assert world.app.job(first.id).state is JobState.SUPERSEDED
