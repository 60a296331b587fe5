from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from local.dataverse import LocalDataverse, Settings
from shared.engine import reading
from shared.errors import NotFoundError, RefuseError
from shared.values.changes import Action
from shared.values.jobs import JobState
from tests.e2e.conftest import World, an_hour_ago, closes, ignore
from tests.e2e.stories import NO_BRAKES, Sync, column, fields, rejects

ACCOUNT = Sync(
    columns={"no": "text", "name": "text", "staff": "number"},
    maps={"no": "accountnumber", "name": "name", "staff": "numberofemployees"},
    key=["accountnumber"],
)
BY_ID = Sync(
    columns={"id": "text", "name": "text"},
    maps={"id": "accountid", "name": "name"},
    key=["accountid"],
)
ONE, TWO = "11111111-0000-4000-8000-000000000001", "11111111-0000-4000-8000-000000000002"


def test_a_condition_that_cannot_be_computed_rejects_its_record(world: World) -> None:
    """`changed.when` sees both sides; where it fails, that record is rejected and its neighbours are updated."""
    ACCOUNT.run(world, ["A1", "a", 1], ["A2", "b", 2], ["A3", "c", 3])
    condition = "CAST(source.name AS INTEGER) > target.numberofemployees"

    job = ACCOUNT.behaving(changed={"when": condition}).run(world, ["A1", "7", 1], ["A2", "seven", 2], ["A3", "1", 3])

    assert (job.source.updated, job.source.rejected, job.source.ignored) == (1, 1, 1)
    assert rejects(world, job) == [(2, "Expression Error", "changed")]
    assert column(world, "name") == {"A1": "7", "A2": "b", "A3": "c"}


def test_a_condition_may_look_at_columns_that_are_not_mapped(world: World) -> None:
    """A target column is read for the condition alone, and never written."""
    ACCOUNT.run(world, ["A1", "a", 1], ["A2", "b", 2])
    world.edit("accounts", column(world, "accountid")["A1"], {"telephone1": "1", "creditonhold": True})

    job = ACCOUNT.behaving(changed={"when": "target.telephone1 IS NULL AND NOT target.creditonhold"}).run(
        world, ["A1", "x", 1], ["A2", "y", 2]
    )

    assert (job.source.updated, job.source.ignored) == (1, 1)
    assert column(world, "name") == {"A1": "a", "A2": "y"}


def test_a_row_that_was_touched_since_the_job_began_is_not_dropped(world: World) -> None:
    """Somebody works with it now, so its absence from an older extract says nothing."""
    ACCOUNT.run(world, ["A1", "a", 1], ["A2", "b", 2], ["A3", "c", 3])
    with world.dataverse.application.lock:
        world.dataverse.application.service.world.store.run(
            "UPDATE account SET modifiedon = '2999-01-01T00:00:00Z' WHERE accountnumber = 'A2'"
        )

    job = ACCOUNT.behaving(dropped="delete").run(world, ["A1", "a", 1])

    assert (job.destination.kept, job.destination.deleted) == (1, 1)
    assert set(column(world, "name")) == {"A1", "A2"}


def test_removals_keep_what_was_removed_before(world: World) -> None:
    """Expired once is expired for good; only a record that returns revives the row, and its values follow."""
    expire = ACCOUNT.behaving(dropped={"expire": "new_expiredon"})
    expire.run(world, ["A1", "a", 1], ["A2", "b", 2])

    job = expire.runs_clean(world, ["A1", "a", 1])
    assert job.destination.expired == 1
    stamp = column(world, "new_expiredon")["A2"]
    job = expire.run(world, ["A1", "a", 1])
    assert (job.destination.kept, column(world, "new_expiredon")["A2"]) == (1, stamp)
    job = expire.runs_clean(world, ["A1", "a", 1], ["A2", "back", 2])
    assert job.planned == {Action.REVIVE: 1}
    assert (column(world, "new_expiredon")["A2"], column(world, "name")["A2"]) == (None, "back")


@pytest.mark.parametrize("reason", ["inactive", 2])
def test_deactivated_rows_come_back_as_they_were(world: World, reason: object) -> None:
    """A dropped row gets the status reason; a returning record makes it active again, unless it is to stay."""
    sync = ACCOUNT.behaving(dropped={"deactivate": reason})
    sync.run(world, ["A1", "a", 1], ["A2", "b", 2])
    assert sync.runs_clean(world, ["A1", "a", 1]).destination.deactivated == 1
    assert column(world, "statuscode") == {"A1": 1, "A2": 2}

    ignored = sync.behaving(returned="ignore").run(world, ["A1", "a", 1], ["A2", "new", 2])

    assert (ignored.source.ignored, column(world, "name")["A2"]) == (1, "b")
    sync.runs_clean(world, ["A1", "a", 1], ["A2", "new", 2])
    assert (column(world, "statecode")["A2"], column(world, "name")["A2"]) == (0, "new")


def test_a_row_is_born_inactive_in_two_steps_with_one_outcome(world: World) -> None:
    """State and status may be mapped; a new inactive row is created and then made inactive, as one change."""
    sync = ACCOUNT.but(
        columns={"no": "text", "state": "text", "status": "text"},
        maps={"no": "accountnumber", "state": "statecode", "status": "statuscode"},
    )

    job = sync.runs_clean(world, ["A1", "Inactive", "Inactive"], ["A2", "Active", "1"], ["A3", "1", "2"])

    assert (job.source.created, sum(job.planned.values())) == (3, 3)
    assert column(world, "statecode") == {"A1": 1, "A2": 0, "A3": 1}
    sync.runs_clean(world, ["A1", "Active", "Active"], ["A2", "Inactive", "2"], ["A3", "1", "2"])
    assert column(world, "statecode") == {"A1": 0, "A2": 1, "A3": 1}
    bad = sync.run(world, ["A1", "Active", "Active"], ["A2", "Inactive", "2"], ["A4", "1", "1"], ["A5", "0", "1"])
    (reject,) = world.app.rejects(bad.id)
    assert (reject.row, reject.type.value, reject.code) == (3, "Unknown Option", None)
    assert bad.source.created == 1


@pytest.mark.parametrize("insert", [False, True])
def test_ids_are_matched_and_written_only_when_allowed(world: World, insert: bool) -> None:
    """An unknown id is created under that very id, or rejected; never created under another one."""
    sync = BY_ID.but(destination={"id_column_insert": insert})
    world.dataverse.insert("account", [{"accountid": ONE, "name": "a"}])

    job = sync.run(world, [ONE.upper(), "b"], ["{" + TWO + "}", "c"], ["", "d"], ["no id", "e"])

    assert (job.source.updated, job.source.created) == (1, int(insert))
    expected = [(3, "Missing Key", "accountid"), (4, "Invalid Format", "accountid")]
    assert rejects(world, job) == ([] if insert else [(2, "Unknown Id", "accountid")]) + expected
    assert column(world, "name", key="accountid") == {ONE: "b", **({TWO: "c"} if insert else {})}
    sync.settled(world)


def test_a_created_id_that_was_taken_since_is_a_conflict(world: World) -> None:
    """A plan that creates under the source's ids never changes a row that somebody made meanwhile."""
    plan = BY_ID.but(destination={"id_column_insert": True}).plan(world, [ONE, "mine"], [TWO, "mine"])
    world.dataverse.insert("account", [{"accountid": ONE, "name": "theirs"}])

    job = closes(world.apply(plan))

    assert (job.source.created, job.source.conflict) == (1, 1)
    assert column(world, "name", key="accountid") == {ONE: "theirs", TWO: "mine"}


def test_an_id_beside_the_key_names_new_rows(world: World) -> None:
    """With another sync key the mapped id is that of new rows, and of known rows it is not compared."""
    sync = ACCOUNT.but(
        columns={"id": "text", "no": "text"},
        maps={"id": "accountid", "no": "accountnumber"},
        destination={"id_column_insert": True},
    )

    job = sync.run(world, [ONE, "A1"], ["", "A2"])

    assert column(world, "accountid") == {"A1": ONE}
    assert rejects(world, job) == [(2, "Missing Key", "accountid")]
    sync.runs_clean(world, [ONE, "A1"], [TWO, "A2"])


JSON = {"type": "json", "path": "data.json"}


@pytest.mark.parametrize("on_null", ["clear", "keep"])
def test_absent_is_not_null(world: World, on_null: str) -> None:
    """What a record does not hold is neither written nor cleared; a null clears, or is kept when the sync says so."""
    old = {"name": "old", "numberofemployees": 5}
    world.dataverse.insert("account", [{"accountnumber": f"A{n}", **old} for n in range(3)])
    sync = ACCOUNT.but(source=JSON, destination={"on_null": on_null})
    sync.define(world)
    records: list[dict[str, object]] = [{}, {"name": None, "staff": 6}, {"name": "", "staff": None}, {}]
    world.write("data.json", json.dumps([{"no": f"A{n}", **record} for n, record in enumerate(records)]))

    job = closes(world.run("story"))

    assert job.state is JobState.SUCCEEDED
    kept = "old" if on_null == "keep" else None
    assert column(world, "name") == {"A0": "old", "A1": kept, "A2": kept, "A3": None}
    assert column(world, "numberofemployees") == {"A0": 5, "A1": 6, "A2": 5 if on_null == "keep" else None, "A3": None}
    sync.settled(world)


def test_an_unreadable_value_counts_as_absent_where_nothing_is_validated(world: World) -> None:
    """Without `validate` a value of the wrong type is neither written nor cleared, and the record goes on."""
    ACCOUNT.run(world, ["A1", "a", 1])

    job = ACCOUNT.run(world, ["A1", "b", "many"], ["A2", "c", "few"])

    assert (job.source.updated, job.source.created, job.skipped_cells) == (1, 1, 2)
    assert column(world, "numberofemployees") == {"A1": 1, "A2": None}


NASTY = ["O'Brien", "x' or 1 eq 1 or name eq 'x", "'); DROP TABLE source; --", "@name", "a&$top=1#?", "é%27\\"]


@pytest.mark.parametrize("value", NASTY)
def test_variables_are_values_and_nothing_more(world: World, value: str) -> None:
    """In the source's filter and in the destination's, a variable is compared as it is, whatever it holds."""
    sync = ACCOUNT.but(
        columns={"no": "text", "name": "text", "note": {"type": "text", "formula": "@who"}},
        maps={"no": "accountnumber", "name": "name", "note": "description"},
        source={"filter": "name = @who"},
        destination={"filter": "name eq @who"},
        rest={"variables": {"who": {}}},
    )
    world.dataverse.insert("account", [{"accountnumber": "A9", "name": "somebody else"}])

    job = sync.run(world, ["A1", value], ["A9", "somebody else"], ["A2", value], variables={"who": value})

    assert (job.state, job.source.filtered, job.source.created, job.destination.read) == (JobState.SUCCEEDED, 1, 2, 0)
    assert column(world, "description") == {"A9": None, "A1": value, "A2": value}
    again = closes(world.run("story", variables={"who": value}))
    assert (again.source.unchanged, again.destination.read) == (2, 2)


@pytest.mark.parametrize("few", [True, False])
def test_delta_reads_by_key_and_drops_nothing(world: World, monkeypatch: pytest.MonkeyPatch, few: bool) -> None:
    """With few records the rows are looked up by key; absence means nothing; a row outside the filter stays outside."""
    monkeypatch.setattr(reading, "KEY_READS", 10 if few else 0)
    rows = [{"accountnumber": f"A{n}", "name": "old", "fax": "mine" if n < 3 else "theirs"} for n in range(5)]
    world.dataverse.insert("account", rows)
    sync = ACCOUNT.behaving(strategy="delta").but(destination={"filter": "fax eq 'mine'"})

    job = sync.run(world, ["a1 ", "new", ""], ["A4", "new", ""], ["A7", "new", ""])

    assert (job.source.updated, job.source.outside, job.source.created) == (1, 1, 1)
    assert job.destination.read == (1 if few else 3)
    assert [n for n, name in column(world, "name").items() if name == "new"] == ["a1 ", "A7"]


@pytest.mark.parametrize(
    ("type_", "target", "first"),
    [
        ("date", "new_updatedon", ["2024-03-31 02:30:00", "2024-10-27T02:30:00Z"]),
        ("date", "new_localtime", ["2024-03-31 02:30:00", "1800-01-01"]),
        ("date", "new_foundedon", ["2024-03-31", "1800-01-01"]),
        ("number", "new_elevation", ["1.005", "-0.5"]),
        ("number", "new_latitude", ["1.000005", "-0.1"]),
        ("number", "new_population", ["0", "2147483647"]),
        ("text", "new_sizeclass", ["small", "100000003"]),
        ("text", "new_iscapital", ["yes", "no"]),
        ("text", "new_externalid", [ONE, TWO]),
        ("text", "new_name", ["[a]_%", "q\"\\'"]),
    ],
)
@pytest.mark.parametrize("strategy", ["full", "delta"])
def test_a_key_may_be_of_any_plain_kind(world: World, type_: str, target: str, first: list[str], strategy: str) -> None:
    """Rows are found again by a key of this kind: in the whole table, by looking keys up, and outside a filter."""
    key = {"name": "key", "type": type_}
    sync = Sync(
        entity="new_city",
        columns={"key": key, "notes": "text"},
        maps={"key": target, "notes": "new_notes"},
        key=[target],
        destination={"filter": "new_notes ne 'outside'"},
        behaviour={"strategy": strategy},
        source={"time_zone": "Europe/Amsterdam"},
    )
    sync.runs_clean(world, *[[value, "in"] for value in first])

    job = sync.run(world, [first[0], "changed"], [first[1], "outside"])
    assert (job.source.updated, job.source.created) == (2, 0)
    job = sync.run(world, [first[0], "changed"], [first[1], "again"])

    assert (job.source.unchanged, job.source.outside, job.source.created) == (1, 1, 0)
    assert len(world.dataverse.rows("new_city")) == 2


def test_approval_holds_every_plan(world: World) -> None:
    """With `approval: required` nothing is written before a person says so, and nothing twice."""
    sync = ACCOUNT.behaving(approval="required")
    job = sync.run(world, ["A1", "a", 1])
    assert (job.state, world.dataverse.rows("account")) == (JobState.AWAITING_APPROVAL, [])

    assert closes(world.apply(job)).source.created == 1

    with pytest.raises(RefuseError, match="final"):
        world.apply(job)
    assert len(world.dataverse.rows("account")) == 1
    assert sync.run(world, ["A1", "a", 1]).state is JobState.SUCCEEDED


def test_a_newer_plan_supersedes_the_older(world: World) -> None:
    """Of two plans only the newest may be applied; a job that does not exist is told."""
    old, new = ACCOUNT.plan(world, ["A1", "old", 1]), ACCOUNT.plan(world, ["A1", "new", 1])

    assert world.app.job(old.id).state is JobState.SUPERSEDED
    with pytest.raises(RefuseError, match=r"Superseded.*starts a new one"):
        world.apply(old)
    world.apply(new)
    assert column(world, "name") == {"A1": "new"}
    with pytest.raises(NotFoundError):
        world.app.job("20200101-000000-ffff")


TEN = [[f"A{n}", f"N{n}", n + 1] for n in range(10)]


@pytest.mark.parametrize(
    ("brakes", "records", "behaviour", "names"),
    [
        ({"removals": "10%"}, TEN[:8], {"dropped": "delete"}, ["removals"]),
        ({"removals": "10%"}, TEN[:8], {"dropped": {"expire": "new_expiredon"}}, ["removals"]),
        ({"updates": "20%"}, [[no, "x", n] for no, _, n in TEN], {}, ["updates"]),
        ({"creates": "20%"}, [*TEN, *[[f"B{n}", "x", 1] for n in range(3)]], {}, ["creates"]),
        ({"rejects": "10%"}, [*TEN[:8], ["A8", "x", -2], ["A9", "x", -1], ["B1", "x", 1]], {}, ["rejects"]),
        ({"removals": None}, [], {"dropped": "delete"}, ["empty_source"]),
        ({"removals": None}, TEN[:4], {"dropped": "delete"}, ["shrunken_source"]),
        ({}, [[no, name, ""] for no, name, _ in TEN], {}, ["emptied:numberofemployees"]),
        ({"updates": "20%"}, [], {}, []),
    ],
)
def test_each_brake_holds_the_plan(
    world: World, brakes: dict[str, object], records: list[list[object]], behaviour: dict[str, object], names: list[str]
) -> None:
    """Beyond its limit each brake leaves the plan waiting and nothing written; a person's approval carries it out."""
    sync = ACCOUNT.behaving(**behaviour, brakes={**NO_BRAKES, "at_least": 1, **brakes})
    ACCOUNT.run(world, *TEN)
    world.dataverse.clear_requests()

    job = sync.run(world, *records)

    assert [brake.name for brake in job.brakes] == names
    assert job.state is (JobState.AWAITING_APPROVAL if names else JobState.SUCCEEDED)
    assert world.writes() == []
    if names:
        done = closes(world.apply(job))
        assert done.state in (JobState.SUCCEEDED, JobState.COMPLETED_WITH_ERRORS)
        assert done.source.not_attempted == done.destination.not_attempted == 0


@pytest.mark.parametrize("owned", [None, "numberofemployees lt 100"])
def test_a_delta_is_measured_by_all_rows_the_sync_owns(world: World, owned: str | None) -> None:
    """Not by those of its few records, which all change; half of the rows are let through, one more is not."""
    ACCOUNT.run(world, *TEN, ["C1", "not owned behind a filter", 100])
    brakes = {"at_least": 0, "updates": "50%", "creates": "50%"}
    delta = ACCOUNT.but(destination={"filter": owned}).behaving(strategy="delta", brakes=brakes)

    five = delta.run(world, *[[no, "x", n] for no, _, n in TEN[:5]], *[[f"B{n}", "x", 1] for n in range(5)])
    nine = delta.plan(world, *[[no, "y", n] for no, _, n in TEN[:9]])

    assert (five.brakes, five.source.updated, five.source.created) == ((), 5, 5)
    assert [(brake.name, brake.found, brake.of) for brake in nine.brakes] == [("updates", 9, 15 if owned else 16)]


@pytest.mark.parametrize(
    ("strategy", "variables", "given", "held"),
    [
        ("full", {}, {}, True),
        ("delta", {}, {}, False),
        ("full", {"run": {"formula": "GUID()"}}, {}, True),
        ("full", {"region": {"default": "EMEA"}}, {"region": "APAC"}, False),
    ],
)
def test_a_source_shrinks_against_the_last_job_of_its_kind(
    world: World, strategy: str, variables: dict[str, object], given: dict[str, str], held: bool
) -> None:
    """Variables that were given choose other records; formulas make new values each time. A delta has any length."""
    sync = ACCOUNT.but(rest={"variables": variables}).behaving(strategy=strategy, brakes={**NO_BRAKES, "at_least": 1})
    sync.run(world, *TEN)

    job = sync.run(world, ["A1", "x", 1], variables=given)

    assert [brake.name for brake in job.brakes] == (["shrunken_source"] if held else [])


@pytest.mark.parametrize(
    ("entity", "key", "name", "number"),
    [
        ("account", "accountnumber", "name", "numberofemployees"),
        ("new_nobulk", "new_code", "new_name", "new_number"),
    ],
)
def test_what_dataverse_refuses_is_set_aside_alone(world: World, entity: str, key: str, name: str, number: str) -> None:
    """The refused ones are found among many, with Dataverse's own code, message and request id; the rest lands."""
    sync = Sync(
        entity=entity,
        columns={"no": "text", "name": "text", "number": "number"},
        maps={"no": key, "name": name, "number": number},
        key=[key],
    )
    bad = {3, 77, 78, 250}
    records = [[f"K{n}", "bell \a" if n in bad else "good", n] for n in range(300)]

    job = sync.run(world, *records)

    assert (job.state, job.source.created, job.source.rejected) == (JobState.COMPLETED_WITH_ERRORS, 296, 4)
    found = list(world.app.rejects(job.id))
    assert {reject.row for reject in found} == {n + 1 for n in bad}
    assert all(r.code == "0x80040278" and r.request_id and "Invalid character" in r.reason for r in found)
    job = sync.run(world, *[[no, "bell \a" if n % 100 == 0 else "better", n] for no, _, n in records if n not in bad])
    assert (job.source.updated, job.source.rejected, job.source.created) == (293, 3, 0)


@pytest.mark.parametrize("sensitive", [False, True])
def test_accents_count_by_the_environments_language(world: World, sensitive: bool) -> None:
    """In an environment of British English accents make another key; in one of American English they do not."""
    sync = ACCOUNT.but(maps={"no": "new_externalkey", "name": "name"}, key=["new_externalkey"])

    settings = Settings(language=2057 if sensitive else 1033)
    with LocalDataverse(clock=an_hour_ago, settings=settings) as dataverse:
        job = sync.run(replace(world, dataverse=dataverse), ["é", "a", ""], ["e", "b", ""])

    assert (job.source.created, job.source.rejected) == ((2, 0) if sensitive else (0, 2))


def test_money_follows_its_currency(world: World) -> None:
    """A stated currency's precision, the organisation's, or each record's own: what is stored is what is compared."""
    fixed = ACCOUNT.but(
        columns={"no": "text", "limit": "number"},
        maps={"no": "accountnumber", "limit": "creditlimit"},
        destination={"currency": "JPY"},
    )
    fixed.runs_clean(world, ["A1", "12.5"], ["A2", "0.4999"])
    assert column(world, "creditlimit") == {"A1": 13, "A2": 0}
    by_record = fixed.but(
        columns={"no": "text", "limit": "number", "currency": "text"},
        maps={
            **fixed.maps,
            "currency": {
                "target": "transactioncurrencyid",
                "link": {"entity": "transactioncurrency", "column": "isocurrencycode"},
            },
        },
        destination={},
    )
    by_record.runs_clean(world, ["A1", "12.345", "EUR"], ["A2", "99.5", "jpy"])
    assert column(world, "creditlimit") == {"A1": 12.35, "A2": 100}
    product = Sync(
        entity="product",
        columns={"no": "text", "name": "text", "price": "number"},
        maps={"no": "productnumber", "name": "name", "price": "price"},
        key=["productnumber"],
        destination={"currency": "JPY"},
    )
    product.runs_clean(world, ["P1", "a", "1.005"])
    assert column(world, "price", "product", "productnumber") == {"P1": 1.01}


def test_the_plan_shows_what_will_be_sent(world: World) -> None:
    """What a person sees is old and new of each column; the plan can be written to a file."""
    ACCOUNT.run(world, ["A1", "a", 1])

    plan = ACCOUNT.plan(world, ["A1", "b", 1], ["A2", "c", 2])

    assert fields(world, plan) == {
        "A1": {"name": "b"},
        "A2": {"accountnumber": "A2", "name": "c", "numberofemployees": 2},
    }
    path = world.folder / "plan.csv"
    assert world.app.export_plan(plan.id, path) == 2
    assert path.read_text(encoding="utf-8").count("\n") >= 3


def test_files_handed_over_with_the_start(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file variable is the file that came with the start, wherever it lies."""
    sync = ACCOUNT.but(source={"path": "@extract"}, rest={"variables": {"extract": {"file": True}}})
    sync.read(world, ["A1", "a", 1])
    elsewhere = Path(shutil.move(world.folder / "data.csv", tmp_path_factory.mktemp("elsewhere") / "x.csv"))

    job = closes(world.run("story", files={"extract": elsewhere}))

    assert (job.state, job.source.created) == (JobState.SUCCEEDED, 1)

    elsewhere.write_text("quite;another\n1;2\n")
    job = world.app.queue("story", variables={}, files={"extract": elsewhere}, started_by="nia", apply=True)
    error = str(closes(world.app.slice(job.id, progress=ignore)).error)
    assert "the header of x.csv lacks" in error  # by the name that it came by, not where its copy lies
    assert "input-extract" not in error


def test_a_key_in_other_letters_is_the_same_key(world: World) -> None:
    """The sync key may be written in other letters than the mapping."""
    ACCOUNT.but(key=["AccountNumber"]).runs_clean(world, ["A1", "a", 1], ["A2", "b", 2])


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ("target.telephone9 IS NULL", "telephone9"),
        ("target.name > 5 + source.staff", "types"),
        ("target.numberofemployees", "true or false"),
    ],
)
def test_a_condition_that_does_not_fit_the_table_is_told_before_anything_is_read(
    world: World, when: str, says: str
) -> None:
    """A column that the table lacks, types that do not fit, a condition that is none: a problem with its place."""
    sync = ACCOUNT.behaving(changed={"when": when})
    sync.read(world, ["A1", "a", 1])

    problems = [str(problem) for problem in world.app.check("story") if problem.path == "behaviour.changed.when"]
    job = world.run("story")

    assert len(problems) == 1
    assert says in problems[0]
    assert job.state is JobState.FAILED
    assert problems[0] in str(job.error)


def test_a_status_reason_brings_its_state_along(world: World) -> None:
    """Mapped alone, a reason of the inactive state makes the row inactive, when it is created and later."""
    sync = ACCOUNT.but(columns={"no": "text", "status": "text"}, maps={"no": "accountnumber", "status": "statuscode"})

    sync.runs_clean(world, ["A1", "Inactive"], ["A2", "Active"])
    assert column(world, "statecode") == {"A1": 1, "A2": 0}
    sync.runs_clean(world, ["A1", "1"], ["A2", "2"])
    assert column(world, "statecode") == {"A1": 0, "A2": 1}


def test_a_kept_null_is_no_missing_value(world: World) -> None:
    """With `on_null: keep` a null leaves a required column as it is, and the rest of the record is written."""
    sync = Sync(
        entity="product",
        columns={"no": "text", "name": "text", "weight": "number"},
        maps={"no": "productnumber", "name": {"target": "name", "on_null": "keep"}, "weight": "stockweight"},
        key=["productnumber"],
    )
    sync.runs_clean(world, ["P1", "a", 1])

    sync.runs_clean(world, ["P1", "", 2])

    assert column(world, "name", "product", "productnumber") == {"P1": "a"}
    assert column(world, "stockweight", "product", "productnumber") == {"P1": 2}


def test_a_row_that_others_point_at_is_kept_by_dataverse(world: World) -> None:
    """A delete that Dataverse refuses is counted as refused, with its reason; the other rows go."""
    sync = Sync(entity="new_country", columns={"iso": "text"}, maps={"iso": "new_iso"}, key=["new_iso"])
    sync.run(world, ["NL"], ["BE"], ["FR"])
    ids = column(world, "new_countryid", "new_country", "new_iso")
    world.dataverse.insert("new_city", [{"new_CountryId@odata.bind": f"/new_countries({ids['NL']})"}])

    job = sync.behaving(dropped="delete").run(world, ["FR"])

    assert (job.state, job.destination.deleted, job.destination.refused) == (JobState.COMPLETED_WITH_ERRORS, 1, 1)
    (reject,) = world.app.rejects(job.id)
    assert (reject.row, reject.key, reject.code) == (None, "NL", "0x80040227")
