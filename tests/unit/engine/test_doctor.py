"""What a sync needs follows from its definition alone; and findings that the local Dataverse cannot show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from shared.definitions.sync import SyncDefinition
from shared.engine.doctor import diagnosis, needs_of
from shared.values.rights import Access, Depth, Finding, Grade, Held, Privilege
from shared.values.tables import Column, ColumnKind, LookupTarget, Table

OWNER = (LookupTarget("systemuser", "systemusers", "ownerid"), LookupTarget("team", "teams", "ownerid"))
COLUMNS = [
    Column("accountid", "AccountId", ColumnKind.UNIQUEIDENTIFIER, "", primary_id=True, required=True),
    Column("accountnumber", "AccountNumber", ColumnKind.TEXT, ""),
    Column("name", "Name", ColumnKind.TEXT, ""),
    Column("telephone1", "Telephone1", ColumnKind.TEXT, ""),
    Column("creditlimit", "CreditLimit", ColumnKind.MONEY, ""),
    Column("ownerid", "OwnerId", ColumnKind.OWNER, "", required=True, targets=OWNER),
    Column("new_must", "new_Must", ColumnKind.TEXT, "", required=True),
    Column("primarycontactid", "P", ColumnKind.LOOKUP, "", targets=(LookupTarget("contact", "contacts", "p"),)),
]
TABLE = Table(
    "account", "Account", "accounts", "accountid", "name", {column.name: column for column in COLUMNS}, bulk_create=True
)
R, C, W, D = Access.READ, Access.CREATE, Access.WRITE, Access.DELETE
MAPPINGS = [{"source": "a", "target": "accountnumber"}]


def definition(**changes: Any) -> SyncDefinition:
    """A small sync to `account`; changes are members of its parts."""
    secret = {"secret": "one--x"}
    whole = {
        "name": "one",
        "source": {"type": "delimited", "path": "x.csv", "schema": [{"name": name, "type": "text"} for name in "abc"]},
        "destination": {
            "type": "dynamics",
            "entity": "account",
            "service_url": "https://x.crm.dynamics.com",
            "client_id": secret,
            "client_secret": secret,
            "id_column": "accountid",
            **changes.get("destination", {}),
        },
        "mappings": [*MAPPINGS, *changes.get("mappings", [])],
        "behaviour": {"strategy": "full", "key": ["accountnumber"], **changes.get("behaviour", {})},
        **changes.get("rest", {}),
    }
    return SyncDefinition.model_validate(whole)


def accesses(table: str = "account", *, undo: bool = False, **changes: Any) -> set[Access]:
    needs = needs_of(definition(**changes), TABLE, undo=undo)
    return {need.access for need in needs.tables if need.table == table}


@pytest.mark.parametrize(
    ("behaviour", "wanted"),
    [
        ({}, {R, C, W}),
        ({"new": "ignore"}, {R, W}),
        ({"changed": "ignore"}, {R, C}),
        ({"new": "ignore", "changed": "ignore"}, {R}),
        ({"new": "ignore", "changed": "ignore", "dropped": "delete"}, {R, D}),
        ({"new": "ignore", "changed": "ignore", "dropped": {"deactivate": 2}}, {R, W}),
        ({"new": "ignore", "changed": "ignore", "dropped": {"expire": "name"}}, {R, W}),
        ({"strategy": "delta", "action_column": "c"}, {R, C, W, D}),
        ({"strategy": "delta", "action_column": "c", "deletes": "ignore"}, {R, C, W}),
    ],
)
def test_rights_follow_behaviour(behaviour: Mapping[str, object], wanted: set[Access]) -> None:
    """Nothing is asked for that the sync never does."""
    assert accesses(behaviour=behaviour) == wanted


def test_undo_needs_the_reverse() -> None:
    """Creates are taken back by deletes, deletes by creates."""
    assert accesses(undo=True, behaviour={"new": "ignore", "changed": "ignore"}) == {R, C, W, D}


def test_links_money_and_owners() -> None:
    """A lookup is appended to its target, which is read; an owner is assigned; money has a currency."""
    mappings = [
        {"source": "b", "target": "primarycontactid", "link": {"entity": "contact", "column": "emailaddress1"}},
        {"source": "c", "target": "creditlimit"},
    ]
    assert accesses(mappings=mappings[:1]) == accesses(mappings=mappings[1:]) == {R, C, W, Access.APPEND}
    assert accesses("contact", mappings=mappings) == {R, Access.APPEND_TO}
    assert accesses("transactioncurrency", mappings=mappings) == {R, Access.APPEND_TO}
    owner = [{"source": "b", "target": "ownerid", "link": {"entity": "systemuser", "column": "domainname"}}]
    assert Access.ASSIGN in accesses(mappings=owner)
    assert accesses("systemuser", mappings=owner) == {R, Access.APPEND_TO}


@pytest.mark.parametrize("name", ["contact", "contacts", "Contact"])
def test_a_linked_table_goes_by_any_of_its_names(name: str) -> None:
    """As everywhere in a definition; rights are asked for by the logical one."""
    where = "statecode eq 0 and _ownerid_value ne null"
    link = {"entity": name, "column": ["emailaddress1", "lastname"], "where": where}
    made = definition(mappings=[{"source": ["b", "c"], "target": "primarycontactid", "link": link}])
    needs = needs_of(made, TABLE)
    assert {need.table for need in needs.tables} - {"account", "organization", "systemuser", "transactioncurrency"} == {
        "contact"
    }
    assert set(needs.columns_looked_up) == {"contact"}
    assert {"emailaddress1", "lastname", "statecode", "ownerid"} <= needs.columns_looked_up["contact"]


def test_columns_that_are_read_and_written() -> None:
    """Mapped ones, those of the filter and of the condition; a word in a text is no column."""
    made = definition(
        destination={"filter": "telephone1 ne 'name' and _ownerid_value ne null"},
        behaviour={"changed": {"when": "target.creditlimit IS NULL"}},
        mappings=[{"source": "b", "target": "accountid"}],
    )
    needs = needs_of(made, TABLE)
    assert needs.columns_read == {"accountnumber", "accountid", "telephone1", "ownerid", "creditlimit"}
    assert needs.columns_created == needs.columns_updated == {"accountnumber"}


def test_each_need_is_named_once() -> None:
    """Whatever brings it, a table's access is one need."""
    needs = needs_of(definition(mappings=[{"source": "c", "target": "creditlimit"}]), TABLE)
    named = [(need.table, need.access) for need in needs.tables]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("destination", "wanted"),
    [
        ({}, set()),
        ({"bypass": {"logic": ["sync"]}}, {"prvBypassCustomBusinessLogic"}),
        ({"bypass": {"plugins": True}}, {"prvBypassCustomPlugins"}),
        ({"bypass": {"flows": True}}, set()),
        ({"caller": "0d000000-0000-4000-8000-00000000c1d2"}, {"prvActOnBehalfOfAnotherUser"}),
    ],
)
def test_named_privileges(destination: Mapping[str, object], wanted: set[str]) -> None:
    """Only what a setting asks for."""
    assert {one.name for one in needs_of(definition(destination=destination), TABLE).named} == wanted


STEPS = [
    {"name": "rollups", "action": "new_Refresh"},
    {"name": "letters", "workflow": {"id": "0d000000-0000-4000-8000-00000000c1d2"}},
    {"name": "hook", "http": {"url": "https://example.com"}},
]


def test_a_workflow_needs_the_right_to_start_one() -> None:
    """An action's rights are its own; a call elsewhere needs none."""
    for steps, wanted in ((STEPS, {"prvWorkflowExecution"}), ([STEPS[0], STEPS[2]], set())):
        needs = needs_of(definition(rest={"post_sync": steps}), TABLE)
        assert {one.name for one in needs.named} == wanted


def test_what_steps_do_is_not_known() -> None:
    """So it is told, for no role has those rights; steps outside Dataverse are no part of it."""
    (told,) = diagnosis._steps_after(definition(rest={"post_sync": STEPS}))
    assert told.grade is Grade.NOTE
    assert "rollups: new_Refresh; letters: workflow 0d000000" in told.found
    assert "hook" not in told.found
    assert diagnosis._steps_after(definition(rest={"post_sync": STEPS[2:]})) == []


def privilege(held: Held, access: Access = R) -> Finding | None:
    return diagnosis._privilege(held, Privilege("P1", "prvX", access), "x", access, "so")


def test_a_shallow_privilege_is_a_warning() -> None:
    """Rows that are not seen would be created again: the depth has to be the organization."""
    assert privilege(Held({"p1": Depth.GLOBAL})) is None
    found = privilege(Held({"prvx": Depth.LOCAL}))
    assert found is not None
    assert (found.grade, "created a second time" in found.found) == (Grade.WARNING, True)
    missing = privilege(Held({}), W)
    assert missing is not None
    assert missing.grade is Grade.ERROR
    assert diagnosis._privilege(Held({}), None, "x", R, "so") is None


def test_a_person_instead_of_an_application_user() -> None:
    """Works, and is told: the sign-in ends with the person."""
    person = diagnosis._identity("one--id", diagnosis.User("u", "Nia", "b", application=False))
    assert (person.grade, "'Nia', a person" in person.found, bool(person.fix)) == (Grade.WARNING, True, True)
    assert diagnosis._identity("one--id", diagnosis.User("u", "# One", "b", application=True)).grade is Grade.GOOD


@pytest.mark.parametrize(
    ("state", "grade", "says"),
    [
        ("Active", Grade.GOOD, "is active"),
        ("Failed", Grade.ERROR, "merge them"),
        ("Pending", Grade.WARNING, "wait"),
        (None, Grade.WARNING, "add an alternate key"),
    ],
)
def test_the_alternate_key(state: str | None, grade: Grade, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over exactly the sync key, with what to do for each state of its index."""
    keys = [diagnosis.rights.KeyState("Other", frozenset({"name"}), "Active")]
    keys += [diagnosis.rights.KeyState("Key", frozenset({"accountnumber"}), state)] if state else []
    monkeypatch.setattr(diagnosis.rights, "key_states", lambda *_: keys)
    found = diagnosis._key(definition(), cast(Any, None), TABLE)
    assert (found.grade, says in f"{found.found} {found.fix}") == (grade, True)


@pytest.mark.parametrize(
    ("asked", "rules", "grade"),
    [(True, [], Grade.WARNING), (True, ["R"], Grade.GOOD), (False, ["R"], Grade.NOTE), (False, [], Grade.GOOD)],
)
def test_duplicate_rules(asked: bool, rules: list[str], grade: Grade, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for and there, or neither; anything else is told."""
    monkeypatch.setattr(diagnosis.rights, "published_duplicate_rules", lambda *_: rules)
    made = definition(destination={"duplicate_detection": asked})
    assert diagnosis._duplicates(made, cast(Any, None), "account").grade is grade


def test_required_columns() -> None:
    """Those that nobody fills are named; a sync that creates nothing does not need them."""
    (found,) = diagnosis._required(definition(), TABLE)
    assert (found.grade, "new_must" in found.found) == (Grade.WARNING, True)
    (mapped,) = diagnosis._required(definition(mappings=[{"source": "b", "target": "new_must"}]), TABLE)
    (creates_none,) = diagnosis._required(definition(behaviour={"new": "ignore"}), TABLE)
    assert mapped.grade is creates_none.grade is Grade.GOOD


def test_the_tables_own_habits() -> None:
    """No bulk messages, no optimistic concurrency and no change tracking are told."""
    areas = [(one.area, one.grade) for one in diagnosis._table(TABLE)]
    assert areas == [("table", Grade.NOTE), ("change tracking", Grade.NOTE)]
