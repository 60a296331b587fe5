"""A table is what its metadata says: kinds, bounds, choices, what lookups point at, keys, bulk messages."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import unquote

import pytest

from shared.dataverse.client import DataverseClient
from shared.dataverse.payloads import odata_type
from shared.errors import DestinationError
from shared.values.tables import ColumnKind, DateBehaviour, LookupTarget
from tests.unit.dataverse.service import Say, transport_to


def label(text):
    return {"UserLocalizedLabel": {"Label": text, "LanguageCode": 1033}, "LocalizedLabels": []}


def named(logical, schema, entity_set, display):
    return {"LogicalName": logical, "SchemaName": schema, "EntitySetName": entity_set, "DisplayName": label(display)}


TABLES = [
    named("account", "Account", "accounts", "Account"),
    named("contact", "Contact", "contacts", "Contact"),
    named("new_bankaccount", "new_BankAccount", "new_bankaccounts", "Bank account"),
    named("new_bank", "new_Bank", "new_banks", "Bank"),
    named("old_bank", "old_Bank", "old_banks", "Bank"),
    named("systemuser", "SystemUser", "systemusers", "User"),
    named("team", "Team", "teams", "Team"),
    named("hidden", "Hidden", None, "Hidden"),
]


def attribute(name, kind, **more):
    return {
        "LogicalName": name,
        "SchemaName": name.title(),
        "DisplayName": label(name),
        "AttributeType": "Virtual",
        "AttributeTypeName": {"Value": kind},
        "RequiredLevel": {"Value": "None"},
        "IsPrimaryId": False,
        "IsValidForCreate": True,
        "IsValidForUpdate": True,
        "IsValidForRead": True,
        "AttributeOf": None,
        **more,
    }


ATTRIBUTES = [
    attribute("new_bankaccountid", "UniqueidentifierType", IsPrimaryId=True, IsValidForUpdate=False),
    attribute("new_name", "StringType", RequiredLevel={"Value": "SystemRequired"}),
    attribute("new_iban", "StringType", RequiredLevel={"Value": "ApplicationRequired"}),
    attribute("new_balance", "MoneyType"),
    attribute("new_balance_base", "MoneyType", IsValidForCreate=False, IsValidForUpdate=False),
    attribute("new_rate", "DecimalType"),
    attribute("new_day", "DateTimeType"),
    attribute("new_tier", "PicklistType"),
    attribute("new_tags", "MultiSelectPicklistType"),
    attribute("new_active", "BooleanType"),
    attribute("statecode", "StateType"),
    attribute("statuscode", "StatusType"),
    attribute("new_holder", "CustomerType"),
    attribute("new_holdername", "StringType", AttributeOf="new_holder"),
    attribute("new_holdertype", "EntityNameType"),
    attribute("ownerid", "OwnerType"),
    attribute("entityimage", "ImageType"),
    attribute("new_file", "FileType"),
    attribute("versionnumber", "BigIntType", IsValidForCreate=False, IsValidForUpdate=False),
]


def options(*pairs, **more):
    return {"Options": [{"Value": value, "Label": label(text), **more} for value, text in pairs]}


CASTS = {
    "String": [{"LogicalName": "new_name", "MaxLength": 100}, {"LogicalName": "new_iban", "MaxLength": 34}],
    "Money": [
        {"LogicalName": "new_balance", "MinValue": -1e11, "MaxValue": 922337203685477.0, "Precision": 2}
        | {"PrecisionSource": 2}
    ],
    "Decimal": [{"LogicalName": "new_rate", "MinValue": 0.0, "MaxValue": 99.5, "Precision": 3}],
    "DateTime": [{"LogicalName": "new_day", "Format": "DateOnly", "DateTimeBehavior": {"Value": "DateOnly"}}],
    "Picklist": [
        {"LogicalName": "new_tier", "OptionSet": options((1, "Gold"), (2, "Silver")), "GlobalOptionSet": None}
    ],
    "MultiSelectPicklist": [{"LogicalName": "new_tags", "OptionSet": None, "GlobalOptionSet": options((7, "A"))}],
    "State": [{"LogicalName": "statecode", "OptionSet": options((0, "Active"), DefaultStatus=1)}],
    "Status": [{"LogicalName": "statuscode", "OptionSet": options((1, "Open"), State=0)}],
    "Boolean": [
        {
            "LogicalName": "new_active",
            "OptionSet": {
                "TrueOption": {"Value": 1, "Label": label("Yes")},
                "FalseOption": {"Value": 0, "Label": label("No")},
            },
        }
    ],
    "Lookup": [
        {"LogicalName": "new_holder", "Targets": ["account", "contact", "unseen"]},
        {"LogicalName": "ownerid", "Targets": ["systemuser", "team"]},
    ],
}


def points(column, table, navigation):
    return {
        "ReferencingAttribute": column,
        "ReferencedEntity": table,
        "ReferencingEntityNavigationPropertyName": navigation,
    }


RELATIONSHIPS = [
    points("new_holder", "account", "new_Holder_account"),
    points("new_holder", "contact", "new_Holder_contact"),
    points("ownerid", "owner", "ownerid"),
    points("owninguser", "systemuser", "owninguser"),
]
KEYS = [
    {"SchemaName": "new_IbanKey", "KeyAttributes": ["new_iban"], "EntityKeyIndexStatus": "Active"},
    {"SchemaName": "new_NameKey", "KeyAttributes": ["new_name"], "EntityKeyIndexStatus": "Pending"},
]


def script(seen):
    path = unquote(seen.path).removeprefix("/api/data/v9.2/")
    root = "EntityDefinitions(LogicalName='new_bankaccount')"
    if path.startswith("EntityDefinitions?"):
        return Say(200, {"value": TABLES})
    if path == root:
        definition = {"PrimaryIdAttribute": "new_bankaccountid", "PrimaryNameAttribute": "new_name"}
        more = {"IsOptimisticConcurrencyEnabled": True, "ChangeTrackingEnabled": {"Value": True}}
        return Say(200, {**TABLES[2], **definition, **more})
    if path.startswith("sdkmessagefilters"):
        return Say(200, {"value": [{"sdkmessagefilterid": "1"}] if "CreateMultiple" in path else []})
    for part, rows in {"Keys?": KEYS, "ManyToOneRelationships?": RELATIONSHIPS, "Attributes?": ATTRIBUTES}.items():
        if path.startswith(f"{root}/{part}"):
            return Say(200, {"value": rows})
    return Say(200, {"value": CASTS[path.split("Microsoft.Dynamics.CRM.")[1].split("AttributeMetadata")[0]]})


@pytest.fixture
def service(serve):
    return serve(script)


@pytest.fixture
def client(service, time):
    with transport_to(service.url, time) as transport:
        yield DataverseClient(transport)


@pytest.fixture
def table(client):
    return client.table("new_bankaccount")


@pytest.mark.parametrize("name", ["new_bankaccount", "NEW_BANKACCOUNT", "new_bankaccounts", " Bank Account "])
def test_any_name_finds_the_table(client, name):
    """Logical, set, schema and display name, in any case."""
    assert client.table(name).name == "new_bankaccount"


def test_tables_are_kept(client, service):
    """The second time nothing is asked."""
    client.table("new_bankaccount")
    asked = len(service.seen)
    assert client.table("new_BankAccount") is client.table("new_bankaccounts")
    assert len(service.seen) == asked


def test_unknown_names_get_proposals(client):
    """The nearest tables are told."""
    with pytest.raises(DestinationError, match="did you mean new_bankaccount"):
        client.table("new_bankacount")


def test_ambiguous_display_names_are_refused(client):
    """Two tables called Bank: the logical names are told."""
    with pytest.raises(DestinationError, match="new_bank, old_bank"):
        client.table("bank")


def test_tables_without_a_set_cannot_be_used(client):
    """What has no address is not there."""
    with pytest.raises(DestinationError, match="no table 'hidden'"):
        client.table("hidden")


def test_the_table(table):
    """Names, id, bulk messages by the probe, concurrency, keys with their state."""
    assert (table.entity_set, table.id_column, table.name_column) == (
        "new_bankaccounts",
        "new_bankaccountid",
        "new_name",
    )
    assert (table.bulk_create, table.bulk_update, table.elastic) == (True, False, False)
    assert (table.optimistic_concurrency, table.change_tracking) == (True, True)
    assert table.key_over({"new_iban"}).name == "new_IbanKey"
    assert table.key_over({"new_name"}) is None
    assert odata_type(table) == "Microsoft.Dynamics.CRM.new_bankaccount"


def test_text_and_numbers(table):
    """Lengths, bounds and precision; only what the system requires is required."""
    columns = table.columns
    assert (columns["new_name"].max_length, columns["new_name"].required) == (100, True)
    assert not columns["new_iban"].required
    money = columns["new_balance"]
    assert (money.kind, money.precision, money.precision_source) == (ColumnKind.MONEY, 2, 2)
    assert (money.min_value, money.max_value) == (Decimal("-100000000000.0"), Decimal("922337203685477.0"))
    assert columns["new_day"].date_behaviour is DateBehaviour.DATE_ONLY
    assert columns["new_bankaccountid"].primary_id


def test_choices(table):
    """Own and global options, states with their default, two options as 0 and 1."""

    def found(name):
        return [(option.value, option.label) for option in table.columns[name].options]

    assert found("new_tier") == [(1, "Gold"), (2, "Silver")]
    assert found("new_tags") == [(7, "A")]
    assert found("new_active") == [(0, "No"), (1, "Yes")]
    assert table.columns["statecode"].options[0].default_status == 1
    assert table.columns["statuscode"].options[0].state == 0


def test_lookups(table):
    """One navigation property per table pointed at; a table that cannot be seen is no target."""
    holder = table.columns["new_holder"]
    assert holder.targets == (
        LookupTarget("account", "accounts", "new_Holder_account"),
        LookupTarget("contact", "contacts", "new_Holder_contact"),
    )
    assert holder.read_name == "_new_holder_value"
    assert table.columns["ownerid"].targets == (
        LookupTarget("systemuser", "systemusers", "ownerid"),
        LookupTarget("team", "teams", "ownerid"),
    )


@pytest.mark.parametrize("name", ["new_holdername", "new_holdertype", "entityimage", "new_file"])
def test_what_is_not_supported(table, name):
    """Companions, images and files are neither read nor written."""
    column = table.columns[name]
    assert column.kind is ColumnKind.UNSUPPORTED
    assert not (column.readable or column.creatable or column.updatable)


@pytest.mark.parametrize("name", ["new_balance_base", "versionnumber"])
def test_calculated_columns_are_read_only(table, name):
    """What the service calculates can be read, not written."""
    column = table.columns[name]
    assert column.readable
    assert not (column.creatable or column.updatable)


def test_only_kinds_that_occur_are_asked_for(service, table):
    """One request per cast: none for kinds without a column."""
    casts = [unquote(seen.path) for seen in service.seen if "AttributeMetadata" in seen.path]
    assert len(casts) == len(CASTS)
    assert not any("Memo" in path or "Double" in path for path in casts)
