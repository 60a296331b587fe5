"""The table-definition file: what it gives, and what it refuses with the place of the mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.dataverse.definitions import TableFileError, read
from local.dataverse.tables import Kind

TABLE = "tables:\n  new_thing:\n    name: new_name\n    columns:\n      new_name: {{ type: text }}\n{more}"


def _file(folder: Path, text: str) -> Path:
    path = folder / "tables.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_built_in_file_holds_the_promised_tables() -> None:
    """The well-known tables, the two custom ones, and the one without bulk messages."""
    tables = read().by_name
    assert {"account", "contact", "opportunity", "product", "new_country", "new_city", "new_nobulk"} <= tables.keys()
    assert {"systemuser", "team", "transactioncurrency", "organization"} <= tables.keys()
    assert tables["new_city"].key_over({"new_citycode"}) is not None
    assert not tables["new_nobulk"].bulk


def test_a_file_of_ones_own_keeps_the_system_tables(tmp_path: Path) -> None:
    """Users, teams, currencies and the organization need not be written down; system columns come by themselves."""
    tables = read(_file(tmp_path, TABLE.format(more=""))).by_name
    system = {"systemuser", "team", "transactioncurrency", "organization", "asyncoperation", "savedquery", "userquery"}
    assert set(tables) == system | {"new_thing"}
    assert {"statecode", "ownerid", "createdon", "versionnumber"} <= tables["new_thing"].columns.keys()


def test_the_first_money_column_brings_currency_and_base(tmp_path: Path) -> None:
    """Money is never alone."""
    more = "      new_price: { type: money, min: 0, max: 100 }\n"
    columns = read(_file(tmp_path, TABLE.format(more=more))).by_name["new_thing"].columns
    assert columns["new_price_base"].base_of == "new_price"
    assert columns["transactioncurrencyid"].is_lookup
    assert columns["exchangerate"].kind is Kind.DECIMAL


def test_a_key_can_wait_for_its_index(tmp_path: Path) -> None:
    """A key that is not active addresses nothing."""
    more = "    keys: { new_key: { columns: [new_name], state: failed } }\n"
    table = read(_file(tmp_path, TABLE.format(more=more))).by_name["new_thing"]
    assert table.keys[0].state == "Failed"
    assert table.key_over({"new_name"}) is None


def test_option_sets_and_relationships_stand_beside_the_tables(tmp_path: Path) -> None:
    """A global option set gives a column its options; a many-to-many relationship has a table for its pairs."""
    more = (
        "      new_size: { type: choice, option_set: new_sizes }\n      new_file: { type: file, max: 100 }\n"
        "    elastic: true\n"
        "option_sets: { new_sizes: { label: Sizes, options: { 1: Small, 2: Large } } }\n"
        "many_to_many: { new_friends: { first: new_thing, second: new_thing } }\n"
    )
    tables = read(_file(tmp_path, TABLE.format(more=more)))
    thing = tables.by_name["new_thing"]
    assert thing.elastic
    assert thing.columns["new_size"].options == tables.option_sets["new_sizes"].options
    assert thing.columns["new_file"].max_size_kb == 100
    assert {tables.pairs[-1].first.column, tables.pairs[-1].second.column} == {"new_thingidone", "new_thingidtwo"}
    assert {"new_friends", "new_friends_referenced"} <= tables.collections["new_thing"].keys()


def test_collections_are_seen_from_the_row_that_is_pointed_at() -> None:
    """A lookup gives the table it points at a collection; a many-to-many relationship gives one to each side."""
    collections = read().collections
    contacts = collections["account"]["contact_customer_accounts"]
    assert (contacts.table, contacts.column, contacts.many_to_many) == ("contact", "parentcustomerid", False)
    teams = collections["systemuser"]["teammembership_association"]
    assert (teams.table, teams.intersect, teams.own, teams.other) == (
        "team",
        "teammembership",
        "systemuserid",
        "teamid",
    )


def test_an_elastic_table_has_a_partition_and_its_one_key(tmp_path: Path) -> None:
    """partitionid, ttlinseconds and the built-in key come by themselves."""
    table = read(_file(tmp_path, TABLE.format(more="    elastic: true\n"))).by_name["new_thing"]
    assert table.elastic
    assert {"partitionid", "ttlinseconds"} <= table.columns.keys()
    assert table.key_over({"new_thingid", "partitionid"}) is not None


def test_rows_can_be_related_many_to_many(tmp_path: Path) -> None:
    """Both sides may be one table; the columns of the pairs differ then."""
    text = TABLE.format(more="") + "many_to_many:\n  new_Twins: { first: new_thing, second: new_thing }\n"
    pair = read(_file(tmp_path, text)).pairs[-1]
    assert (pair.intersect, pair.first.column, pair.second.column) == ("new_twins", "new_thingidone", "new_thingidtwo")
    with pytest.raises(TableFileError, match=r"many_to_many.new_Twins.second: found 'nowhere'; allowed: a table: "):
        read(_file(tmp_path, text.replace("second: new_thing", "second: nowhere")))


EXTENDED = """
built_in: true
tables:
  account:
    columns:
      contoso_code: { schema: contoso_Code, type: text, max: 20 }
      name: { schema: Name, type: text, max: 30 }
    keys: { contoso_codekey: { columns: [contoso_code] } }
  team:
    rows: [{ name: Support }]
  contoso_thing:
    name: contoso_name
    columns:
      contoso_name: {}
      contoso_accountid: { type: lookup, targets: { account: {} } }
option_sets: { contoso_sizes: { options: { 1: Small } } }
many_to_many: { contoso_account_thing: { first: account, second: contoso_thing } }
"""


def test_a_file_can_add_to_the_built_in_tables(tmp_path: Path) -> None:
    """Tables, relationships and option sets come to the built-in ones; of a built-in table columns and keys are added
    or replaced by name, and rows are added; all else of it stays."""
    built_in, tables = read(), read(_file(tmp_path, EXTENDED))
    assert tables.by_name.keys() == built_in.by_name.keys() | {"contoso_thing"}
    account, before = tables.by_name["account"], built_in.by_name["account"]
    assert account.columns.keys() == before.columns.keys() | {"contoso_code"}
    assert (account.columns["name"].max_length, account.columns["fax"]) == (30, before.columns["fax"])
    assert [key.name for key in account.keys] == ["new_accountnumberkey", "contoso_codekey"]
    assert (account.name_column, account.type_code, account.entity_set) == ("name", 1, "accounts")
    assert [row["name"] for row in tables.by_name["team"].seeds] == ["Sales", "Support"]
    assert {pair.schema_name for pair in tables.pairs} == {
        "new_account_city",
        "teammembership_association",
        "contoso_account_thing",
    }
    assert tables.by_name["contact"] == built_in.by_name["contact"]


def test_any_publishers_prefix_makes_a_part_custom(tmp_path: Path) -> None:
    """As in Dataverse: what carries a prefix is the customer's own; the platform's names with an underscore are not."""
    tables = read(_file(tmp_path, EXTENDED))
    account = tables.by_name["account"].columns
    assert {name for name in ("contoso_code", "new_tier", "address1_city", "name") if account[name].custom} == {
        "contoso_code",
        "new_tier",
    }
    thing = tables.by_name["contoso_thing"]
    assert (thing.custom, tables.option_sets["contoso_sizes"].custom, tables.pairs[-1].custom) == (True, True, True)
    assert thing.columns["contoso_accountid"].targets[0].custom
    plain = "      plain: { custom: true }\n      new_x: { custom: false }\n"
    own = read(_file(tmp_path, TABLE.format(more=plain))).by_name["new_thing"].columns
    assert (own["plain"].custom, own["new_x"].custom) == (True, False)
