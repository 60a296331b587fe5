"""Asks an environment about rights and habits: privileges, secured columns, keys, steps, duplicate rules, limits.

Source: Microsoft Learn, "RetrieveUserPrivileges Function", "RetrievePrincipalAttributePrivileges Function",
"SecurityPrivilegeMetadata", "SdkMessageProcessingStep table", "DuplicateRule table", "Service protection API limits".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shared.dataverse.client import DataverseClient
from shared.dataverse.literals import encoded, quoted
from shared.dataverse.metadata.json import Json, flag, inner, objects, text, texts, whole
from shared.values.rights import DEPTHS, ColumnRights, Depth, Held, Privilege

_NAMESPACE = "Microsoft.Dynamics.CRM."
MESSAGES = ("Create", "Update", "Delete")
_PUBLISHED = 2


@dataclass(frozen=True, slots=True)
class User:
    """Who signs in. `application`: an application user, not a person."""

    id: str
    name: str
    business_unit_id: str
    application: bool


@dataclass(frozen=True, slots=True)
class KeyState:
    """An alternate key and its index: Pending, InProgress, Active or Failed."""

    name: str
    columns: frozenset[str]
    state: str


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one server says is left in its window of five minutes, and how many requests at a time it advises."""

    requests: str
    seconds: str
    at_a_time: str


def user(client: DataverseClient) -> User:
    """Who the service takes us for.

    Raises:
        DestinationError, AuthenticationError: nobody, or the user's own row may not be read.
    """
    identity = client.who_am_i()
    path = f"systemusers({identity.user_id})?$select=fullname,applicationid"
    row = client.transport.get(path).json()
    return User(identity.user_id, text(row, "fullname"), identity.business_unit_id, bool(text(row, "applicationid")))


def held(client: DataverseClient, user_id: str) -> Held:
    """The privileges that a user has through all its roles and teams."""
    found = client.transport.get(f"systemusers({user_id})/{_NAMESPACE}RetrieveUserPrivileges()").json()
    depths: dict[str, Depth] = {}
    for row in objects(found, "RolePrivileges"):
        depth = _depth(row)
        for name in (text(row, "PrivilegeId").lower(), text(row, "PrivilegeName").lower()):
            if name and depth is not None:
                depths[name] = max(depths.get(name, depth), depth, key=DEPTHS.index)
    return Held(depths)


def _depth(row: Json) -> Depth | None:
    """A depth by its name or, as some versions write it, by its number."""
    value, number = text(row, "Depth"), whole(row, "Depth")
    if number is not None and 0 <= number < len(DEPTHS):
        return DEPTHS[number]
    return Depth(value) if value in DEPTHS else None


def privileges_of(client: DataverseClient, table: str) -> dict[str, Privilege]:
    """A table's privileges by access (`Create` …). Their names are not always made of the table's name."""
    root = f"EntityDefinitions(LogicalName={encoded(quoted(table))})?$select=LogicalName,Privileges"
    rows = objects(client.transport.get(root).json(), "Privileges")
    return {
        text(row, "PrivilegeType"): Privilege(text(row, "PrivilegeId"), text(row, "Name"), text(row, "PrivilegeType"))
        for row in rows
    }


def named_privilege(client: DataverseClient, name: str) -> str:
    """The id of a privilege that belongs to no table; '' when the environment has none of that name."""
    rows = client.all_rows(f"privileges?$select=privilegeid,name&$filter={encoded(f'name eq {quoted(name)}')}")
    return text(rows[0], "privilegeid") if rows else ""


def secured_columns(client: DataverseClient, table: str) -> dict[str, str]:
    """The ids of the table's columns with column security, by logical name."""
    root = (
        f"EntityDefinitions(LogicalName={encoded(quoted(table))})/Attributes?$select=LogicalName,MetadataId,IsSecured"
    )
    rows = client.all_rows(root)
    return {text(row, "LogicalName"): text(row, "MetadataId").lower() for row in rows if flag(row, "IsSecured")}


def column_rights(client: DataverseClient, user_id: str) -> dict[str, ColumnRights]:
    """What a user may do with secured columns, by the column's id; those that are missing: nothing."""
    path = f"systemusers({user_id})/{_NAMESPACE}RetrievePrincipalAttributePrivileges()"
    rows = objects(client.transport.get(path).json(), "AttributePrivileges")
    return {
        text(row, "AttributeId").lower(): ColumnRights(
            read=_given(row, "CanRead"), create=_given(row, "CanCreate"), update=_given(row, "CanUpdate")
        )
        for row in rows
    }


def _given(row: Json, name: str) -> bool:
    return bool(whole(row, name)) or flag(row, name)


def key_states(client: DataverseClient, table: str) -> list[KeyState]:
    """The table's alternate keys, with what became of their indexes."""
    root = f"EntityDefinitions(LogicalName={encoded(quoted(table))})"
    path = f"{root}/Keys?$select=SchemaName,KeyAttributes,EntityKeyIndexStatus"
    return [
        KeyState(text(row, "SchemaName"), frozenset(texts(row, "KeyAttributes")), _state(row))
        for row in client.all_rows(path)
    ]


def _state(row: Json) -> str:
    return text(row, "EntityKeyIndexStatus") or text(inner(row, "EntityKeyIndexStatus"), "Value")


def custom_steps(client: DataverseClient, table: str) -> dict[str, list[str]]:
    """Names of the active plug-in steps of others than Microsoft, by message (Create, Update, Delete)."""
    found = {}
    for message in MESSAGES:
        condition = (
            f"sdkmessageid/name eq {quoted(message)} and sdkmessagefilterid/primaryobjecttypecode eq {quoted(table)} "
            "and statecode eq 0 and customizationlevel eq 1"
        )
        path = f"sdkmessageprocessingsteps?$select=name,mode,stage&$filter={encoded(condition)}"
        found[message] = [_step(row) for row in client.all_rows(path)]
    return {message: steps for message, steps in found.items() if steps}


def _step(row: Json) -> str:
    return text(row, "name") + (" (asynchronous)" if whole(row, "mode") == 1 else "")


def published_duplicate_rules(client: DataverseClient, table: str) -> list[str]:
    """Names of the published duplicate detection rules of a table."""
    condition = f"baseentityname eq {quoted(table)} and statuscode eq {_PUBLISHED}"
    rows = client.all_rows(f"duplicaterules?$select=name,statuscode&$filter={encoded(condition)}")
    return [text(row, "name") for row in rows]


def allowance(client: DataverseClient) -> Allowance:
    """What one server of the service says is left; it has several, and names only its own numbers."""
    headers = client.transport.get("WhoAmI").headers
    names = ("burst-remaining-xrm-requests", "time-remaining-xrm-requests")
    requests, seconds = (headers.get(f"x-ms-ratelimit-{name}", "") for name in names)
    return Allowance(requests, seconds, headers.get("x-ms-dop-hint", ""))


def readable(names: Iterable[str], most: int = 5) -> str:
    """Some names as words: `a, b and 3 more`."""
    listed = list(names)
    shown = ", ".join(listed[:most])
    return f"{shown} and {len(listed) - most} more" if len(listed) > most else shown
