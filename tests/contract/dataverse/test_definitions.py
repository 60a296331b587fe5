"""Definitions made, changed and deleted through the API: what is refused and how, what stays, what survives."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.store import CannotOpenError
from tests.examples import examples

Ask = Callable[..., requests.Response]
TYPE = "Microsoft.Dynamics.CRM."


def label(text: str) -> dict[str, Any]:
    return {"LocalizedLabels": [{"Label": text, "LanguageCode": 1033}]}


def attribute(name: str, kind: str = "String", **more: Any) -> dict[str, Any]:
    return {"@odata.type": f"{TYPE}{kind}AttributeMetadata", "SchemaName": name, "DisplayName": label(name), **more}


def table(name: str = "new_Part", **more: Any) -> dict[str, Any]:
    columns = [attribute("new_Name", IsPrimaryName=True), attribute("new_Code", MaxLength=20)]
    return {"@odata.type": f"{TYPE}EntityMetadata", "SchemaName": name, "Attributes": columns, **more}


def one_to_many(name: str = "new_account_part", **more: Any) -> dict[str, Any]:
    return {
        "@odata.type": f"{TYPE}OneToManyRelationshipMetadata",
        "SchemaName": name,
        "ReferencedEntity": "account",
        "ReferencingEntity": "new_part",
        "Lookup": attribute("new_AccountId", "Lookup"),
        **more,
    }


@pytest.fixture
def ask(local_dataverse: LocalDataverse, caller: requests.Session) -> Ask:
    """Sends one request to the service."""

    def send(verb: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        content = None if body is None else json.dumps(body)
        return caller.request(verb, local_dataverse.url + path, data=content, headers=headers, timeout=10)

    return send


@pytest.fixture
def part(ask: Ask) -> str:
    """The table new_part, made through the API, with a row; its address."""
    reply = ask("POST", "EntityDefinitions", table())
    assert reply.status_code == 204, reply.text
    assert ask("POST", "new_parts", {"new_name": "Bolt", "new_code": "A"}).status_code == 204
    return "EntityDefinitions(LogicalName='new_part')"


def code(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def metadata(ask: Ask) -> str:
    return ask("GET", "EntityDefinitions?$expand=Attributes,Keys,OneToManyRelationships").text


REFUSED = [
    ("EntityDefinitions", table(), "0x80044363"),
    ("EntityDefinitions", table("Part"), "0x80044366"),
    ("EntityDefinitions", table("new_" + "x" * 60), "0x80044367"),
    ("EntityDefinitions", table("new_Other", Attributes=[]), "0x80047014"),
    ("EntityDefinitions", table("new_Other", Attributes=[attribute("new_Name")]), "0x80044355"),
    (
        "EntityDefinitions",
        table("new_Other", Attributes=[attribute("new_N", "Memo", IsPrimaryName=True)]),
        "0x8004700e",
    ),
    ("EntityDefinitions", table("new_Other", OwnershipType="None"), "0x8004700d"),
    ("EntityDefinitions", table("new_Other", Colour="red"), "0x80048d19"),
    ("EntityDefinitions", table("new_Other", TableType="Plastic"), "0x80048d19"),
    ("EntityDefinitions", ["new_Other"], "0x80048d19"),
    ("CreateEntities", {"Entities": []}, "0x80040203"),
    ("{part}/Attributes", attribute("new_Code"), "0x80047013"),
    ("{part}/Attributes", attribute("Code"), "0x80044366"),
    ("{part}/Attributes", attribute("new_X", MaxLength=5000), "0x80040203"),
    ("{part}/Attributes", attribute("new_X", MaxLength="20"), "0x80048d19"),
    ("{part}/Attributes", attribute("new_X", "Integer", MinValue=5, MaxValue=1), "0x80040203"),
    ("{part}/Attributes", attribute("new_X", "Decimal", Precision=11), "0x80040203"),
    ("{part}/Attributes", attribute("new_X", "Money", PrecisionSource=7), "0x80040203"),
    ("{part}/Attributes", attribute("new_X", "Lookup"), "0x80040203"),
    ("{part}/Attributes", attribute("new_X", "Curious"), "0x80048d19"),
    ("{part}/Attributes", attribute("new_X", "Picklist", OptionSet={"IsGlobal": True}), "0x80048403"),
    (
        "{part}/Attributes",
        attribute("new_X", "Picklist", OptionSet={"Options": [{"Value": 1}, {"Value": 1}]}),
        "0x80044310",
    ),
    ("{part}/Attributes", attribute("new_X", "Picklist", DefaultFormValue=3), "0x80040203"),
    ("{part}/Attributes", attribute("new_X", IsPrimaryName=True), "0x8004701e"),
    ("{part}/Keys", {"SchemaName": "new_K", "KeyAttributes": ["new_nothing"]}, "0x80041103"),
    ("{part}/Keys", {"SchemaName": "new_K", "KeyAttributes": []}, "0x8006088f"),
    ("{part}/Keys", {"SchemaName": "new_K", "KeyAttributes": ["statecode"]}, "0x8006088f"),
    ("RelationshipDefinitions", one_to_many(ReferencedEntity="nothing"), "0x80041102"),
    ("RelationshipDefinitions", one_to_many(""), "0x8004432a"),
    ("RelationshipDefinitions", one_to_many("account_primary_contact"), "0x8004432b"),
    ("RelationshipDefinitions", one_to_many(CascadeConfiguration={"Delete": "Perhaps"}), "0x80048204"),
    ("RelationshipDefinitions", {"SchemaName": "new_x"}, "0x80048d19"),
    ("GlobalOptionSetDefinitions", {"@odata.type": f"{TYPE}OptionSetMetadata", "Name": "sizes"}, "0x80044366"),
    ("ReactivateEntityKey", {"EntityLogicalName": "new_part", "EntityKeyLogicalName": "new_k"}, "0x8006088f"),
    ("InsertOptionValue", {"EntityLogicalName": "account", "AttributeLogicalName": "name"}, "0x80044320"),
]


@pytest.mark.parametrize(("path", "body", "says"), REFUSED)
def test_what_cannot_be_is_refused_and_changes_nothing(path: str, body: Any, says: str, ask: Ask, part: str) -> None:
    """Each with the code of the service, and the definitions are as before."""
    before = metadata(ask)
    assert code(ask("POST", path.format(part=part), body)) == (400, says)
    assert metadata(ask) == before


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("EntityDefinitions(LogicalName='account')", (400, "0x8004f032")),
        ("EntityDefinitions(LogicalName='nothing')", (404, "0x80060888")),
        ("EntityDefinitions(Name='account')", (400, "0x80060890")),
        ("EntityDefinitions(LogicalName='account')/Attributes(LogicalName='name')", (400, "0x80047002")),
        ("EntityDefinitions(LogicalName='account')/Attributes(LogicalName='fax')", (400, "0x8004f032")),
        ("EntityDefinitions(LogicalName='account')/Attributes(LogicalName='creditlimit_base')", (400, "0x80048cfe")),
        ("EntityDefinitions(LogicalName='new_city')/Attributes(LogicalName='new_citycode')", (400, "0x8004f01f")),
        ("EntityDefinitions(LogicalName='new_country')", (400, "0x8004f01f")),
        ("RelationshipDefinitions(SchemaName='account_primary_contact')", (400, "0x8004f032")),
        ("RelationshipDefinitions(LogicalName='account_primary_contact')", (400, "0x80060890")),
        ("EntityDefinitions", (405, "0x80060888")),
    ],
)
def test_what_is_needed_cannot_be_deleted(path: str, says: tuple[int, str], ask: Ask) -> None:
    """The system's own, what others refer to, and what is not there."""
    before = metadata(ask)
    assert code(ask("DELETE", path)) == says
    assert metadata(ask) == before


def test_every_type_of_column_holds_its_values(ask: Ask, part: str) -> None:
    """Made on a table with rows, written and read back; money brings its currency."""
    shared = {
        "@odata.type": f"{TYPE}OptionSetMetadata",
        "Name": "new_Sizes",
        "Options": [{"Value": 7, "Label": label("S")}],
    }
    made = ask("POST", "GlobalOptionSetDefinitions", shared)
    set_id = made.headers["OData-EntityId"].partition("(")[2].rstrip(")")
    own = {"OptionSet": {"Options": [{"Label": label("One")}, {"Label": label("Two")}]}}
    bound = {"GlobalOptionSet@odata.bind": f"/GlobalOptionSetDefinitions({set_id})"}
    kinds: list[tuple[dict[str, Any], object]] = [
        (attribute("new_Memo", "Memo", MaxLength=5000), "two\nlines"),
        (attribute("new_Int", "Integer", MinValue=0, MaxValue=9), 9),
        (attribute("new_Big", "BigInt"), 2**53),
        (attribute("new_Dec", "Decimal", Precision=3, MinValue=-5, MaxValue=5), 1.125),
        (attribute("new_Dbl", "Double", Precision=5), 47.63958),
        (attribute("new_Money", "Money"), 12.5),
        (attribute("new_Flag", "Boolean"), True),
        (attribute("new_At", "DateTime"), "2026-03-01T08:00:00Z"),
        (attribute("new_On", "DateTime", DateTimeBehavior={"Value": "DateOnly"}), "2026-03-01"),
        (attribute("new_Pick", "Picklist", **own), 100_000_001),
        (attribute("new_Picks", "MultiSelectPicklist", **own), "100000000,100000001"),
        (attribute("new_Size", "Picklist", **bound), 7),
        (attribute("new_File", "File"), None),
        (attribute("new_Image", "Image"), None),
    ]
    for body, _ in kinds:
        assert ask("POST", f"{part}/Attributes", body).status_code == 204, body
    row = {body["SchemaName"].lower(): value for body, value in kinds if value is not None}
    made = ask("POST", "new_parts", {"new_name": "Nut", **row}, Prefer="return=representation")
    assert made.status_code == 201, made.text
    assert {name: made.json()[name] for name in row} == row
    assert made.json()["new_money_base"] == 12.5
    (old,) = ask("GET", "new_parts?$filter=new_name eq 'Bolt'").json()["value"]
    assert (old["new_int"], old["new_file"], old["new_code"]) == (None, None, "A")
    assert "Microsoft.Dynamics.CRM.new_part" in ask("GET", "$metadata").text


def test_a_global_option_set_is_shared(ask: Ask, part: str) -> None:
    """A new option is there for its columns at once; it cannot be deleted while one uses it."""
    shared = {"@odata.type": f"{TYPE}OptionSetMetadata", "Name": "new_Sizes", "Options": [{"Value": 1}]}
    set_id = ask("POST", "GlobalOptionSetDefinitions", shared).headers["OData-EntityId"].partition("(")[2][:-1]
    column = attribute(
        "new_Size", "Picklist", **{"GlobalOptionSet@odata.bind": f"/GlobalOptionSetDefinitions({set_id})"}
    )
    assert ask("POST", f"{part}/Attributes", column).status_code == 204
    assert code(ask("POST", "new_parts", {"new_name": "Nut", "new_size": 2})) == (400, "0x8004431a")
    inserted = ask("POST", "InsertOptionValue", {"OptionSetName": "new_sizes", "Label": label("Two"), "Value": 2})
    assert inserted.json()["NewOptionValue"] == 2
    assert ask("POST", "new_parts", {"new_name": "Nut", "new_size": 2}).status_code == 204
    assert code(ask("DELETE", f"GlobalOptionSetDefinitions({set_id})")) == (400, "0x80048417")
    assert ask("DELETE", f"{part}/Attributes(LogicalName='new_size')").status_code == 204
    assert ask("DELETE", "GlobalOptionSetDefinitions(Name='new_sizes')").status_code == 204
    assert ask("GET", "GlobalOptionSetDefinitions(Name='new_sizes')").status_code == 404
    assert ask("GET", "GlobalOptionSetDefinitions?$filter=Name eq 'x'").status_code == 405


def test_a_lookup_of_several_tables_loses_one(ask: Ask, part: str) -> None:
    """Its links to the table that it no longer points at are removed, the others stay."""
    links = [
        {**one_to_many(f"new_{name}_part", ReferencedEntity=name), "Lookup": None} for name in ("account", "contact")
    ]
    links = [{member: value for member, value in link.items() if member != "Lookup"} for link in links]
    body = {"OneToManyRelationships": links, "Lookup": attribute("new_Whose", "Lookup")}
    assert ask("POST", "CreatePolymorphicLookupAttribute", body).status_code == 200
    rows = []
    for target, row in (("account", {"name": "A"}), ("contact", {"lastname": "C"})):
        made = ask("POST", f"{target}s", row).headers["OData-EntityId"].rpartition("/")[2]
        bound = {"new_name": target, f"new_Whose_{target}@odata.bind": made}
        rows.append(ask("POST", "new_parts", bound).headers["OData-EntityId"].rpartition("/")[2])
    assert ask("DELETE", "RelationshipDefinitions(SchemaName='new_contact_part')").status_code == 204
    left = [ask("GET", f"{row}?$select=_new_whose_value").json()["_new_whose_value"] for row in rows]
    assert left[0] is not None
    assert left[1] is None
    assert ask("DELETE", "RelationshipDefinitions(SchemaName='new_account_part')").status_code == 204
    assert ask("GET", f"{part}/Attributes(LogicalName='new_whose')").status_code == 404


def test_an_elastic_table_is_made(ask: Ask) -> None:
    """With its partition and its one key; no other can be added."""
    assert ask("POST", "EntityDefinitions", table("new_Log", TableType="Elastic")).status_code == 204
    address = "EntityDefinitions(LogicalName='new_log')"
    assert ask("GET", f"{address}?$select=TableType").json()["TableType"] == "Elastic"
    assert ask("GET", f"{address}/Attributes(LogicalName='partitionid')").status_code == 200
    assert code(ask("POST", f"{address}/Keys", {"SchemaName": "new_K", "KeyAttributes": ["new_code"]})) == (
        400,
        "0x8006088f",
    )


def test_properties_and_parts_are_read(ask: Ask) -> None:
    """One property, one part of a type, parts of a part, and what is not there."""
    account = "EntityDefinitions(LogicalName='account')"
    assert ask("GET", f"{account}/EntitySetName").json()["value"] == "accounts"
    expanded = ask(
        "GET", f"{account}?$select=LogicalName&$expand=Attributes($select=LogicalName;$filter=IsPrimaryName eq true)"
    )
    assert [row["LogicalName"] for row in expanded.json()["Attributes"]] == ["name"]
    tier = f"{account}/Attributes(LogicalName='new_tier')/{TYPE}PicklistAttributeMetadata"
    assert len(ask("GET", f"{tier}/OptionSet?$select=Options").json()["Options"]) == 3
    assert ask("GET", f"{tier.replace('Picklist', 'Money')}").status_code == 404
    assert code(ask("GET", f"{account}/Attributes?$select=MaxLength")) == (400, "0x80060888")
    pairs = ask("GET", f"{account}/ManyToManyRelationships").json()["value"]
    assert [row["SchemaName"] for row in pairs] == ["new_account_city"]
    assert ask("GET", f"RelationshipDefinitions/{TYPE}ManyToManyRelationshipMetadata").json()["value"]
    assert code(ask("GET", f"{account}/Nothing")) == (404, "0x8006088a")


def test_definitions_and_keys_survive_a_restart(tmp_path: Path, ask_at: Callable[[LocalDataverse], Ask]) -> None:
    """What was made stays, what was deleted stays away, and an index that was asked for is made after the restart."""
    now = [datetime.now(UTC)]
    file = tmp_path / "rows.sqlite"
    with LocalDataverse(file=file, clock=lambda: now[0]) as server:
        ask = ask_at(server)
        assert ask("POST", "EntityDefinitions", table()).status_code == 204
        address = "EntityDefinitions(LogicalName='new_part')"
        assert ask("POST", "RelationshipDefinitions", one_to_many()).status_code == 204
        pair = {"@odata.type": f"{TYPE}ManyToManyRelationshipMetadata", "SchemaName": "new_part_city"}
        pair |= {"Entity1LogicalName": "new_part", "Entity2LogicalName": "new_city"}
        assert ask("POST", "RelationshipDefinitions", pair).status_code == 204
        assert ask("POST", "new_parts", {"new_name": "Bolt", "new_code": "A"}).status_code == 204
        assert ask("POST", "new_parts", {"new_name": "Nut", "new_code": "a"}).status_code == 204
        assert ask("DELETE", "EntityDefinitions(LogicalName='new_nobulk')").status_code == 204
        assert ask("POST", f"{address}/Keys", {"SchemaName": "new_K", "KeyAttributes": ["new_code"]}).status_code == 204
        before = metadata(ask)
    with LocalDataverse(file=file, clock=lambda: now[0]) as server:
        ask = ask_at(server)
        assert json.loads(metadata(ask))["value"] == json.loads(before)["value"]
        now[0] += timedelta(seconds=1)
        (key,) = ask("GET", f"{address}/Keys").json()["value"]
        assert key["EntityKeyIndexStatus"] == "Failed"
        (row,) = ask("GET", "new_parts?$select=new_partid&$filter=new_name eq 'Nut'").json()["value"]
        assert ask("PATCH", f"new_parts({row['new_partid']})", {"new_code": "B"}).status_code == 204
        again = {"EntityLogicalName": "new_part", "EntityKeyLogicalName": "new_k"}
        assert ask("POST", "ReactivateEntityKey", again).status_code == 204
        now[0] += timedelta(seconds=1)
        assert ask("GET", "new_parts(new_code='B')").status_code == 200
        assert code(ask("POST", "ReactivateEntityKey", again)) == (400, "0x80060897")
        assert ask("GET", "new_nobulks").status_code == 404


@pytest.fixture
def ask_at() -> Callable[[LocalDataverse], Ask]:
    """Sends requests to a stand-in of the test's own."""

    def sender(server: LocalDataverse) -> Ask:
        form = {
            "grant_type": "client_credentials",
            "client_id": server.client_id,
            "client_secret": server.client_secret,
            "scope": f"{server.authority}.default",
        }
        endpoint = f"{server.authority}{server.tenant_id}/oauth2/v2.0/token"
        token = requests.post(endpoint, data=form, timeout=10).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

        def send(verb: str, path: str, body: Any = None) -> requests.Response:
            return requests.request(verb, server.url + path, json=body, headers=headers, timeout=10)

        return send

    return sender


def test_a_change_set_that_fails_leaves_the_definitions(ask: Ask, part: str, local_dataverse: LocalDataverse) -> None:
    """A column that was added inside it is gone again, from the definitions and from the rows."""
    before = metadata(ask)
    inner = [f"POST /api/data/v9.2/{part}/Attributes", "POST /api/data/v9.2/new_parts"]
    bodies = [attribute("new_Extra"), {"new_name": "x" * 101}]
    lines = ["--b", "Content-Type: multipart/mixed; boundary=c", ""]
    for number, (request, body) in enumerate(zip(inner, bodies, strict=True), 1):
        lines += [
            "--c",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: {number}",
            "",
        ]
        lines += [f"{request} HTTP/1.1", "Content-Type: application/json", "", json.dumps(body)]
    text = "\r\n".join([*lines, "--c--", "--b--", ""])
    headers = {"Authorization": f"{ask('GET', '').request.headers['Authorization']}"}
    headers["Content-Type"] = "multipart/mixed; boundary=b"
    reply = requests.post(f"{local_dataverse.url}$batch", data=text, headers=headers, timeout=10)
    assert "0x80044331" in reply.text
    assert metadata(ask) == before
    assert ask("POST", f"{part}/Attributes", attribute("new_Extra")).status_code == 204


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=5), inner, max_size=2)),
    max_leaves=4,
)
MEMBERS = st.sampled_from(
    ["SchemaName", "DisplayName", "RequiredLevel", "MaxLength", "MinValue", "OptionSet", "Format", "Attributes",
     "Lookup", "KeyAttributes", "CascadeConfiguration", "ReferencedEntity", "Entity1LogicalName", "Options",
     "DefaultFormValue",
     "OneToManyRelationships", "Entities", "Values", "Label"]
)  # fmt: skip
PATHS = (
    "EntityDefinitions",
    "{part}/Attributes",
    "{part}/Keys",
    "RelationshipDefinitions",
    "GlobalOptionSetDefinitions",
    "CreateEntities",
    "CreatePolymorphicLookupAttribute",
    "OrderOption",
    "InsertOptionValue",
)
KINDS = st.sampled_from(["Picklist", "String", "Integer", "Boolean", "DateTime", "Money", "File"])


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changed=st.dictionaries(MEMBERS, JSON, min_size=1, max_size=3), kind=KINDS, segment=st.text(max_size=12))
def test_nothing_malformed_breaks_the_definitions(
    changed: dict[str, Any], kind: str, segment: str, ask: Ask, local_dataverse: LocalDataverse
) -> None:
    """Whatever a definition holds, it is taken or refused as the caller's mistake; a refused one changes nothing."""
    part = "EntityDefinitions(LogicalName='account')"
    for path in PATHS:
        basis = attribute("new_Fuzz", kind) if path.endswith("Attributes") else {"SchemaName": "new_Fuzz"}
        before = local_dataverse.application.service.world.tables
        reply = ask("POST", path.format(part=part), basis | changed)
        assert reply.status_code < 500 or reply.status_code == 501, reply.text
        if reply.status_code >= 400:
            assert local_dataverse.application.service.world.tables == before
    assert ask("DELETE", f"{part}/Attributes(LogicalName='new_fuzz')").status_code in (204, 404)
    for path in (
        f"EntityDefinitions({segment})",
        f"{part}/{segment}",
        f"RetrieveMetadataChanges(Query=@p)?@p={segment}",
    ):
        assert ask("GET", requests.utils.requote_uri(path)).status_code < 500


def test_definitions_are_replaced(ask: Ask, part: str) -> None:
    """Texts of a table (other languages kept on demand), a delete behaviour, names and options of an option set."""
    two = {"LocalizedLabels": [{"Label": "Part", "LanguageCode": 1033}, {"Label": "Teil", "LanguageCode": 1031}]}
    assert ask("PUT", part, {"SchemaName": "new_Part", "DisplayName": two}).status_code == 204
    one = {"SchemaName": "new_Part", "DisplayName": label("Piece"), "ChangeTrackingEnabled": True}
    assert ask("PUT", part, one, **{"MSCRM.MergeLabels": "true"}).status_code == 204
    shown = ask("GET", f"{part}?$select=DisplayName,ChangeTrackingEnabled").json()
    assert [text["Label"] for text in shown["DisplayName"]["LocalizedLabels"]] == ["Piece", "Teil"]
    assert shown["ChangeTrackingEnabled"] is True
    assert code(ask("PUT", part, one | {"ChangeTrackingEnabled": False})) == (400, "0x80040203")
    assert ask("POST", "RelationshipDefinitions", one_to_many()).status_code == 204
    address = "RelationshipDefinitions(SchemaName='new_account_part')"
    assert ask("PUT", address, {"CascadeConfiguration": {"Delete": "Cascade"}}).status_code == 204
    assert ask("GET", f"{address}/CascadeConfiguration").json()["Delete"] == "Cascade"
    options = [{"Value": value, "Label": label(str(value))} for value in (1, 2, 3)]
    shared = {"@odata.type": f"{TYPE}OptionSetMetadata", "Name": "new_Sizes", "Options": options}
    assert ask("POST", "GlobalOptionSetDefinitions", shared).status_code == 204
    sizes = "GlobalOptionSetDefinitions(Name='new_sizes')"
    assert ask("PUT", sizes, {"DisplayName": label("Sizes!")}).status_code == 204
    place = {"OptionSetName": "new_sizes"}
    assert ask("POST", "OrderOption", {**place, "Values": [3, 1, 2]}).status_code == 204
    assert ask("POST", "DeleteOptionValue", {**place, "Value": 1}).status_code == 204
    assert ask("POST", "UpdateOptionValue", {**place, "Value": 2, "Label": label("Two")}).status_code == 204
    found = ask("GET", sizes).json()
    assert found["DisplayName"]["UserLocalizedLabel"]["Label"] == "Sizes!"
    assert [(o["Value"], o["Label"]["UserLocalizedLabel"]["Label"]) for o in found["Options"]] == [(3, "3"), (2, "Two")]


def test_a_customer_lookup_is_made(ask: Ask, part: str) -> None:
    """It points at accounts and contacts, and at nothing else."""
    links = [
        {"SchemaName": f"new_part_{name}", "ReferencedEntity": name, "ReferencingEntity": "new_part"}
        for name in ("account", "contact")
    ]
    lookup = attribute("new_CustomerId", "Lookup")
    refused = ask("POST", "CreateCustomerRelationships", {"OneToManyRelationships": links[:1], "Lookup": lookup})
    assert code(refused) == (400, "0x80040203")
    assert ask("POST", "CreateCustomerRelationships", {"OneToManyRelationships": links, "Lookup": lookup}).ok
    column = ask("GET", f"{part}/Attributes(LogicalName='new_customerid')").json()
    assert (column["AttributeType"], column["Targets"]) == ("Customer", ["account", "contact"])


def test_damaged_definitions_are_told(tmp_path: Path, ask_at: Callable[[LocalDataverse], Ask]) -> None:
    """A file whose kept definitions cannot be read is refused with its name."""
    file = tmp_path / "rows.sqlite"
    with LocalDataverse(file=file) as server:
        assert ask_at(server)("POST", "EntityDefinitions", table()).status_code == 204
    with closing(sqlite3.connect(file)) as database:
        database.execute("""UPDATE "~metadata" SET body = '{}' WHERE part = 'column'""")
        database.commit()
    with pytest.raises(CannotOpenError, match=r"rows\.sqlite"):
        LocalDataverse(file=file)
