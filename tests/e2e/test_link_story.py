from __future__ import annotations

import pytest

from shared.engine import resolving
from shared.values.jobs import JobState
from tests.e2e.conftest import World
from tests.e2e.stories import Sync, column, rejects

PARENT = Sync(
    columns={"no": "text", "name": "text", "parent": "text"},
    maps={
        "no": "accountnumber",
        "name": "name",
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "name"}},
    },
    key=["accountnumber"],
)
CONTACT = Sync(
    entity="contact",
    columns={"no": "text", "last": "text", "kind": "text", "whose": "text"},
    maps={
        "no": "externaluseridentifier",
        "last": "lastname",
        "whose": {"target": "parentcustomerid", "link": {"entity": {"source": "kind"}, "column": "emailaddress1"}},
    },
    key=["externaluseridentifier"],
)


def owned(table: str, by: str) -> Sync:
    """Accounts whose owner is found in a table by one of its columns."""
    link = {"entity": table, "column": by}
    maps = {"no": "accountnumber", "owner": {"target": "ownerid", "link": link}}
    return Sync(columns={"no": "text", "owner": "text"}, maps=maps, key=["accountnumber"])


LOOKED_UP = [
    pytest.param(25_000, id="read whole"),
    pytest.param(-1, id="looked up by values"),
]


@pytest.mark.parametrize("small", LOOKED_UP)
def test_a_lookup_is_found_by_its_column(world: World, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    """One row matches by the server's collation; none or several reject the record; an empty value is null."""
    monkeypatch.setattr(resolving, "SMALL_TABLE", small)
    first, _, _ = world.dataverse.insert("account", [{"name": "O'Brien é"}, {"name": "Twin"}, {"name": "twin "}])

    job = PARENT.run(world, ["A1", "a", "o'brien É "], ["A2", "b", "Nobody"], ["A3", "c", "TWIN"], ["A4", "d", ""])

    assert (job.state, job.source.created, job.source.rejected) == (JobState.COMPLETED_WITH_ERRORS, 2, 2)
    assert rejects(world, job) == [
        (2, "Unresolved Link", "parentaccountid"),
        (3, "Ambiguous Link", "parentaccountid"),
    ]
    found = column(world, "_parentaccountid_value")
    assert (found["A1"], found["A4"]) == (first, None)
    PARENT.settled(world)


def test_where_says_which_rows_count_and_missing_null_clears(world: World) -> None:
    """`where` leaves rows out, with a variable bound; with `missing: null` an unknown parent empties the lookup."""
    link = {"entity": "account", "column": "name", "where": "fax eq @kind", "missing": "null"}
    sync = PARENT.but(
        maps={**PARENT.maps, "parent": {"target": "parentaccountid", "link": link}},
        rest={"variables": {"kind": {"default": "it's"}}},
    )
    one, _ = world.dataverse.insert("account", [{"name": "P", "fax": "it's"}, {"name": "P", "fax": "no"}])

    sync.runs_clean(world, ["A1", "a", "P"], ["A2", "b", "Q"])

    assert column(world, "_parentaccountid_value") == {None: None, "A1": one, "A2": None}
    sync.runs_clean(world, ["A1", "a", "Q"], ["A2", "b", "P"])
    assert column(world, "_parentaccountid_value") == {None: None, "A1": None, "A2": one}


@pytest.mark.parametrize("small", LOOKED_UP)
def test_a_lookup_by_several_columns(world: World, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    """All columns must match; one of them empty is no match."""
    monkeypatch.setattr(resolving, "SMALL_TABLE", small)
    sync = PARENT.but(
        columns={"no": "text", "city": "text", "staff": "number"},
        maps={
            "no": "accountnumber",
            "city+staff": {
                "target": "parentaccountid",
                "link": {"entity": "account", "column": ["address1_city", "numberofemployees"]},
            },
        },
    )
    ids = world.dataverse.insert("account", [{"address1_city": "Delft", "numberofemployees": n} for n in (1, 2)])

    job = sync.run(world, ["A1", "DELFT", "2"], ["A2", "Delft", "3"], ["A3", "Delft", ""], ["A4", "", ""])

    assert job.source.created == 2
    assert rejects(world, job) == [(n, "Unresolved Link", "parentaccountid") for n in (2, 3)]
    assert column(world, "_parentaccountid_value")["A1"] == ids[1]
    sync.settled(world)


@pytest.mark.parametrize("small", LOOKED_UP)
def test_a_lookup_into_tables_that_a_column_names(world: World, monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    """Account or contact, record by record; from one to the other; a table that is none rejects the record."""
    monkeypatch.setattr(resolving, "SMALL_TABLE", small)
    (account,) = world.dataverse.insert("account", [{"emailaddress1": "x@example.com"}])
    (contact,) = world.dataverse.insert("contact", [{"emailaddress1": "x@example.com", "lastname": "X"}])
    mail = "X@example.com"

    job = CONTACT.run(world, ["1", "A", "account", mail], ["2", "B", " Contact", mail], ["3", "C", "lead", mail])

    assert rejects(world, job) == [(3, "Unresolved Link", "parentcustomerid")]
    CONTACT.settled(world)
    by_number = {"key": "externaluseridentifier", "table": "contact"}
    assert column(world, "_parentcustomerid_value", **by_number) == {None: None, "1": account, "2": contact}
    CONTACT.runs_clean(world, ["1", "A", "contact", mail], ["2", "B", "account", mail])
    assert column(world, "_parentcustomerid_value", **by_number) == {None: None, "1": contact, "2": account}
    CONTACT.runs_clean(world, ["1", "A", "", ""], ["2", "B", "account", mail])
    assert column(world, "_parentcustomerid_value", **by_number) == {None: None, "1": None, "2": account}


def test_rows_are_owned_by_users_and_teams(world: World) -> None:
    """An owner is a user or a team; it can be changed, but not taken away."""
    (team,) = [row["teamid"] for row in world.dataverse.rows("team")]
    (user,) = world.dataverse.insert("systemuser", [{"fullname": "Ann", "domainname": "ann@local"}])

    owned("team", "name").runs_clean(world, ["A1", "SALES"])
    assert column(world, "_ownerid_value") == {"A1": team}
    owned("systemuser", "domainname").runs_clean(world, ["A1", "ann@local"])
    assert column(world, "_ownerid_value") == {"A1": user}
    job = owned("systemuser", "domainname").run(world, ["A1", ""])
    assert rejects(world, job) == [(1, "Mandatory Rule Violation", "ownerid")]


def test_a_lookup_may_be_the_key_or_the_id_itself(world: World) -> None:
    """A mapped GUID needs no link where the lookup has one target, and a lookup may be part of the key."""
    (country,) = world.dataverse.insert("new_country", [{"new_iso": "NL"}])
    sync = Sync(
        entity="new_city",
        columns={"country": "text", "name": "text", "people": "number"},
        maps={"country": "new_countryid", "name": "new_name", "people": "new_population"},
        key=["new_countryid", "new_name"],
    )

    sync.runs_clean(world, [country.upper(), "Delft", 1])
    job = sync.runs_clean(world, ["{" + country + "}", "DELFT ", 2])

    assert (job.source.updated, job.source.created) == (1, 0)
    job = sync.run(world, ["not an id", "Delft", 1])
    assert rejects(world, job)[0] == (1, "Invalid Format", "new_countryid")
    sync.but(behaviour={"strategy": "delta"}).runs_clean(world, [country, "Delft", 3], [country, "Leiden", 4])
