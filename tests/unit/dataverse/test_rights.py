"""What an environment says of rights, keys, steps and rules, in whatever shape it comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest

from shared.dataverse import rights
from shared.dataverse.client import DataverseClient
from shared.dataverse.reading import Reader
from shared.values.rights import ColumnRights, Depth


@dataclass
class Service:
    """Answers paths by how they begin; notes what was asked."""

    answers: Mapping[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> Any:
        self.asked.append(path)
        found = next((answer for start, answer in self.answers.items() if path.startswith(start)), {"value": []})
        body = orjson.dumps(found)
        return SimpleNamespace(body=body, json=lambda: found, headers=self.headers)


def client(answers: Mapping[str, object], **headers: str) -> tuple[DataverseClient, Service]:
    service = Service(answers, {name.replace("_", "-"): value for name, value in headers.items()})
    reader = Reader(cast(Any, service))
    made = SimpleNamespace(transport=service, all_rows=reader.all_rows)
    return cast(DataverseClient, made), service


def role(name: str, depth: object) -> dict[str, object]:
    return {"PrivilegeName": name, "PrivilegeId": f"id-{name}", "Depth": depth}


def test_the_deepest_of_several_roles_counts() -> None:
    """Privileges add up over roles and teams; by id and by name, in any letters; a depth may be a number."""
    listed = [role("prvReadX", "Basic"), role("prvReadX", "Deep"), role("prvReadX", "Local"), role("prvWriteX", 3)]
    asked, service = client(
        {"systemusers(": {"RolePrivileges": [*listed, role("prvOdd", "Elsewhere"), {"Depth": "Global"}]}}
    )
    held = rights.held(asked, "u1")
    assert held.depth("PRVREADX") is held.depth("ID-prvReadX") is Depth.DEEP
    assert held.depth("prvWriteX") is Depth.GLOBAL
    assert held.depth("prvOdd") is held.depth("prvCreateX") is None
    assert service.asked == ["systemusers(u1)/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"]


def test_privileges_of_a_table_come_from_its_metadata() -> None:
    """Their names are not made up: tables of activities share theirs."""
    one = {"Name": "prvReadActivity", "PrivilegeId": "p1", "PrivilegeType": "Read"}
    asked, _ = client({"EntityDefinitions(": {"Privileges": [one]}})
    assert rights.privileges_of(asked, "task")["Read"].name == "prvReadActivity"


@pytest.mark.parametrize(("given", "has"), [(4, True), (0, False), (True, True), (None, False)])
def test_rights_of_a_secured_column(given: object, has: bool) -> None:
    """As numbers (4 is allowed) or as truth values."""
    row = {"AttributeId": "ABC", "CanRead": given, "CanCreate": 0, "CanUpdate": given}
    asked, _ = client({"systemusers(": {"AttributePrivileges": [row]}})
    assert rights.column_rights(asked, "u1") == {"abc": ColumnRights(read=has, create=False, update=has)}


def test_keys_in_both_forms() -> None:
    """The index's state as a word, or as an object with one."""
    keys = [
        {"SchemaName": "K1", "KeyAttributes": ["a", "b"], "EntityKeyIndexStatus": "Failed"},
        {"SchemaName": "K2", "KeyAttributes": ["c"], "EntityKeyIndexStatus": {"Value": "Active"}},
    ]
    asked, _ = client({"EntityDefinitions(": {"value": keys}})
    assert [(one.name, one.state) for one in rights.key_states(asked, "x")] == [("K1", "Failed"), ("K2", "Active")]


def test_rules_and_steps_are_asked_for_by_table() -> None:
    """Only published rules and active steps of others than Microsoft; a name with a quote does no harm."""
    asked, service = client({"duplicaterules": {"value": [{"name": "Same mail"}]}})
    assert rights.published_duplicate_rules(asked, "o'x") == ["Same mail"]
    assert "'o''x'" in service.asked[0]
    assert rights.custom_steps(asked, "account") == {}
    assert all("customizationlevel" in path for path in service.asked[1:])


def test_what_is_left() -> None:
    """The headers as they come; without any, nothing is made up."""
    asked, _ = client(
        {},
        x_ms_ratelimit_burst_remaining_xrm_requests="5999",
        x_ms_ratelimit_time_remaining_xrm_requests="1,200.00",
        x_ms_dop_hint="4",
    )
    assert rights.allowance(asked) == rights.Allowance("5999", "1,200.00", "4")
    assert rights.allowance(client({})[0]) == rights.Allowance("", "", "")


@pytest.mark.parametrize(("names", "words"), [(["a"], "a"), (list("abcdefg"), "a, b, c, d, e and 2 more"), ([], "")])
def test_many_names_stay_readable(names: list[str], words: str) -> None:
    """Some, and how many more."""
    assert rights.readable(names) == words
