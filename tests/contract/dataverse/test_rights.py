"""What the local Dataverse says of rights is what it does: a fault that refuses is a privilege that is gone."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from local.dataverse import LocalDataverse


def read(caller: requests.Session, dataverse: LocalDataverse, path: str) -> Any:
    reply = caller.get(f"{dataverse.url}{path}", timeout=10)
    assert reply.status_code == 200, reply.text
    return reply.json()


def privileges(caller: requests.Session, dataverse: LocalDataverse) -> set[str]:
    user = read(caller, dataverse, "WhoAmI")["UserId"]
    held = read(caller, dataverse, f"systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()")
    assert all(one["Depth"] == "Global" for one in held["RolePrivileges"])
    return {one["PrivilegeName"] for one in held["RolePrivileges"]}


def test_everything_is_held_until_a_fault_takes_it(caller: requests.Session, local_dataverse: LocalDataverse) -> None:
    """The same fault refuses the create and takes the privilege out of the list."""
    assert {"prvCreateAccount", "prvReadOrganization", "prvBypassCustomPlugins"} <= privileges(caller, local_dataverse)
    local_dataverse.inject({"kind": "privilege", "table": "account", "privilege": "Create", "count": None})
    assert "prvCreateAccount" not in privileges(caller, local_dataverse)
    assert "prvReadAccount" in privileges(caller, local_dataverse)
    assert caller.post(f"{local_dataverse.url}accounts", json={"name": "x"}, timeout=10).status_code == 403


def test_metadata_names_the_same_privileges(caller: requests.Session, local_dataverse: LocalDataverse) -> None:
    """`Privileges` of a table, the rows of `privileges` and what a user holds agree in name and id."""
    path = "EntityDefinitions(LogicalName='account')?$select=LogicalName,Privileges"
    told = {one["Name"]: one["PrivilegeId"] for one in read(caller, local_dataverse, path)["Privileges"]}
    assert set(told) <= privileges(caller, local_dataverse)
    (row,) = read(caller, local_dataverse, "privileges?$select=name&$filter=name eq 'prvCreateAccount'")["value"]
    assert row["privilegeid"] == told["prvCreateAccount"]


def test_secured_columns(caller: requests.Session, local_dataverse: LocalDataverse) -> None:
    """A column under the fault is secured, and nobody has a profile for it."""
    path = "EntityDefinitions(LogicalName='account')/Attributes?$select=LogicalName,IsSecured"
    assert not any(one["IsSecured"] for one in read(caller, local_dataverse, path)["value"])
    local_dataverse.inject({"kind": "column_security", "table": "account", "column": "name", "count": None})
    secured = [one["LogicalName"] for one in read(caller, local_dataverse, path)["value"] if one["IsSecured"]]
    assert secured == ["name"]
    user = read(caller, local_dataverse, "WhoAmI")["UserId"]
    rights = f"systemusers({user})/Microsoft.Dynamics.CRM.RetrievePrincipalAttributePrivileges()"
    assert read(caller, local_dataverse, rights)["AttributePrivileges"] == []


def test_steps_are_those_that_run(caller: requests.Session, local_dataverse: LocalDataverse) -> None:
    """By message and table, as they were registered."""
    step = local_dataverse.on(lambda _: None, "account", "Create")
    condition = "sdkmessageid/name eq '{}' and sdkmessagefilterid/primaryobjecttypecode eq 'account' and statecode eq 0"
    path = "sdkmessageprocessingsteps?$select=name,stage&$filter="
    (row,) = read(caller, local_dataverse, path + condition.format("Create"))["value"]
    assert row["stage"] == 40
    assert read(caller, local_dataverse, path + condition.format("Update"))["value"] == []
    local_dataverse.remove(step)
    assert read(caller, local_dataverse, path + condition.format("Create"))["value"] == []


def test_there_are_no_duplicate_rules(caller: requests.Session, local_dataverse: LocalDataverse) -> None:
    """The table of rules is there, and empty."""
    assert read(caller, local_dataverse, "duplicaterules?$select=name")["value"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("systemusers(00000000-0000-4000-8000-000000000001)/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()", 404),
        ("sdkmessageprocessingsteps?$filter=nothing eq 1", 200),
        ("privileges?$filter=nothing eq 1", 400),
    ],
)
def test_wrong_questions(caller: requests.Session, local_dataverse: LocalDataverse, path: str, status: int) -> None:
    """Of an unknown user, or by an unknown column (which only rows can betray)."""
    assert caller.get(f"{local_dataverse.url}{path}", timeout=10).status_code == status


@pytest.mark.parametrize("path", ["privileges", "sdkmessageprocessingsteps", "duplicaterules"])
def test_nothing_is_written_there(caller: requests.Session, local_dataverse: LocalDataverse, path: str) -> None:
    """These are told, not kept."""
    assert caller.post(f"{local_dataverse.url}{path}", json={"name": "x"}, timeout=10).status_code == 405
