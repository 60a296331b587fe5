"""The remote execution context: one write as the service tells it to webhooks.

Source: Microsoft Learn, "Use webhooks …", "Azure integration". Choices and money as typed values, and a delete's Target
as a reference, are not published for JSON; they are taken over from the other contract forms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from local.dataverse.logic.events import Event
from local.dataverse.partitions import id_of
from local.dataverse.tables import WHOLE_OPTIONS, Column, Kind, Table
from local.dataverse.world import World

LARGEST = 256 * 1024
_LARGE = ("ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages")
_CONTRACTS = "http://schemas.microsoft.com/xrm/2011/Contracts"
_TYPE_NAME = "Microsoft.Dynamics.CRM.lookuplogicalname"
_BUSINESS_UNIT = "0d000000-0000-4000-8000-0000000000b0"
_SLASHES = re.compile(rb'"/(Date\([0-9+-]+\))/"')


@dataclass(frozen=True, slots=True)
class Shown:
    """What a receiver gets to see besides the write itself."""

    sync: bool
    image: bool
    pre_image: bool
    organization_id: str


def remote_context(world: World, event: Event, shown: Shown) -> tuple[bytes, bool]:
    """The body of a post, and whether members were left out because it was over 256 KB."""
    document = _context(world, event, shown)
    table = world.tables.by_name[event.table]
    if shown.pre_image and event.before:
        document["PreEntityImages"] = [_image("PreImage", table, id_of(event.row_id), event.before)]
    if shown.image and event.after:
        document["PostEntityImages"] = [_image("AsynchronousStepPrimaryName", table, id_of(event.row_id), event.after)]
    body = _json(document)
    if len(body) <= LARGEST:
        return body, False
    return _json({name: value for name, value in document.items() if name not in _LARGE}), True


def _context(world: World, event: Event, shown: Shown) -> dict[str, Any]:
    origin, table = event.origin, world.tables.by_name[event.table]
    tag = [] if origin.tag is None else [{"key": "tag", "value": origin.tag}]
    return {
        "MessageName": event.message,
        "PrimaryEntityName": event.table,
        "PrimaryEntityId": id_of(event.row_id),
        "Stage": 40,
        "Mode": 0 if shown.sync else 1,
        "Depth": origin.depth,
        "CorrelationId": origin.correlation_id,
        "OperationId": event.operation_id,
        "OperationCreatedOn": _date(world.clock()).removesuffix(")/") + "+0000)/",
        "OrganizationId": shown.organization_id,
        "OrganizationName": "local",
        "BusinessUnitId": _BUSINESS_UNIT,
        "InitiatingUserId": origin.initiator_id,
        "UserId": origin.user_id,
        "IsInTransaction": shown.sync,
        "IsolationMode": 1,
        "RequestId": None,
        "InputParameters": [{"key": "Target", "value": _target(table, event)}],
        "OutputParameters": [{"key": "id", "value": id_of(event.row_id)}] if event.message == "Create" else [],
        "PreEntityImages": [],
        "PostEntityImages": [],
        "SharedVariables": tag,
        "SecondaryEntityName": "none",
        "OwningExtension": {"Id": event.operation_id, "LogicalName": "sdkmessageprocessingstep"},
        "ParentContext": {},
    }


def _target(table: Table, event: Event) -> dict[str, Any]:
    if event.message == "Delete":
        return _reference(id_of(event.row_id), table.name)
    sent = {_column_of(table, name) for name in event.row}
    wanted = {*sent, table.id_column, "modifiedon", "modifiedby"}
    return _entity(table, id_of(event.row_id), event.after or {}, wanted)


def _column_of(table: Table, member: str) -> str:
    """The column that a member of a body writes."""
    name = member.partition("@")[0]
    navigation = table.navigations.get(name)
    return navigation[0].name if navigation else name


def _image(key: str, table: Table, row_id: str, row: Mapping[str, object]) -> dict[str, Any]:
    return {"key": key, "value": _entity(table, row_id, row, set(table.columns))}


def _entity(table: Table, row_id: str, row: Mapping[str, object], wanted: set[str]) -> dict[str, Any]:
    attributes = [
        {"key": column.name, "value": _value(column, row)}
        for column in table.columns.values()
        if column.name in wanted and column.read_name in row
    ]
    return {
        "__type": f"Entity:{_CONTRACTS}",
        "LogicalName": table.name,
        "Id": row_id,
        "RowVersion": None,
        "EntityState": None,
        "KeyAttributes": [],
        "RelatedEntities": [],
        "FormattedValues": [],
        "Attributes": attributes,
    }


def _value(column: Column, row: Mapping[str, object]) -> object:
    value = row[column.read_name]
    if value is None:
        return None
    if column.is_lookup:
        named = row.get(f"{column.read_name}@{_TYPE_NAME}") or column.targets[0].table
        return _reference(str(value), str(named))
    if column.kind in WHOLE_OPTIONS:
        return {"__type": f"OptionSetValue:{_CONTRACTS}", "Value": value}
    if column.kind is Kind.MONEY:
        return {"__type": f"Money:{_CONTRACTS}", "Value": value}
    if column.kind is Kind.DATETIME:
        moment = datetime.fromisoformat(str(value))
        return _date(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return value


def _reference(row_id: str, table: str) -> dict[str, Any]:
    return {
        "__type": f"EntityReference:{_CONTRACTS}",
        "Id": row_id,
        "LogicalName": table,
        "Name": None,
        "KeyAttributes": [],
        "RowVersion": None,
    }


def _date(moment: datetime) -> str:
    return f"/Date({round(moment.timestamp() * 1000)})/"


def _json(document: object) -> bytes:
    """JSON with the service's escaped slashes around dates."""
    return _SLASHES.sub(rb'"\\/\1\\/"', orjson.dumps(document))
