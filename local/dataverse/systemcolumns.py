"""The columns that the platform itself gives a table: who, when, state, version, currency, base amounts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from local.dataverse.tables import Column, Key, Kind, Option, Target


def of(
    table: str, present: set[str], own: Sequence[Column], *, owned: str, status: Mapping[str, Any] | None
) -> list[Column]:
    """The system columns of a table that its own columns do not already define."""
    columns = [*_stamps(table), *money(table, own)]
    if owned == "UserOwned":
        targets = tuple(
            Target(t, "ownerid", f"{prefix}_{table}s") for t, prefix in (("systemuser", "user"), ("team", "team"))
        )
        columns.append(Column("ownerid", "OwnerId", Kind.OWNER, "Owner", required="SystemRequired", targets=targets))
    columns += _state(status)
    return [c for c in columns if c.name not in present]


def elastic(present: set[str]) -> list[Column]:
    """The columns of an elastic table that its own columns do not already define.

    Source: Microsoft Learn, "Elastic tables for developers".
    """
    columns = [
        Column("partitionid", "PartitionId", Kind.TEXT, "Partition Id", max_length=1000, updatable=False),
        Column("ttlinseconds", "TTLInSeconds", Kind.INTEGER, "Time to live", low=Decimal(1), high=Decimal(2**31 - 1)),
    ]
    return [c for c in columns if c.name not in present]


def partition_key(id_column: str) -> Key:
    """The one key of an elastic table; no other can be added."""
    name = "KeyForNoSqlEntityWithPKPartitionId"
    return Key(name.lower(), name, "Entity key for NoSQL Entity", (id_column, "partitionid"))


def _stamps(table: str) -> list[Column]:
    def user(name: str, schema: str, label: str) -> Column:
        targets = (Target("systemuser", name, f"lk_{table}_{name}"),)
        return Column(name, schema, Kind.LOOKUP, label, creatable=False, updatable=False, targets=targets)

    def moment(name: str, schema: str, label: str, *, create: bool = False) -> Column:
        return Column(
            name,
            schema,
            Kind.DATETIME,
            label,
            creatable=create,
            updatable=False,
            behaviour="UserLocal",
            date_only_format=create,
        )

    number = Decimal(2**31 - 1)
    return [
        moment("createdon", "CreatedOn", "Created On"),
        moment("modifiedon", "ModifiedOn", "Modified On"),
        user("createdby", "CreatedBy", "Created By"),
        user("modifiedby", "ModifiedBy", "Modified By"),
        user("createdonbehalfby", "CreatedOnBehalfBy", "Created By (Delegate)"),
        user("modifiedonbehalfby", "ModifiedOnBehalfBy", "Modified By (Delegate)"),
        moment("overriddencreatedon", "OverriddenCreatedOn", "Record Created On", create=True),
        Column(
            "importsequencenumber",
            "ImportSequenceNumber",
            Kind.INTEGER,
            "Import Sequence Number",
            updatable=False,
            low=-number - 1,
            high=number,
        ),
        Column(
            "versionnumber",
            "VersionNumber",
            Kind.BIGINT,
            "Version Number",
            creatable=False,
            updatable=False,
            low=Decimal(-(2**63)),
            high=Decimal(2**63 - 1),
        ),
    ]


def money(table: str, own: Sequence[Column]) -> list[Column]:
    """What money columns bring to a table: its currency, the rate, and for each an amount in the base currency."""
    amounts = [c for c in own if c.kind is Kind.MONEY]
    if not amounts:
        return []
    currency = Target("transactioncurrency", "transactioncurrencyid", f"transactioncurrency_{table}", restrict=True)
    base = [
        Column(
            f"{c.name}_base",
            f"{c.schema_name}_Base",
            Kind.MONEY,
            f"{c.label} (Base)",
            creatable=False,
            updatable=False,
            low=c.low,
            high=c.high,
            precision=c.precision,
            precision_source=c.precision_source,
            base_of=c.name,
            custom=c.custom,
        )
        for c in amounts
    ]
    return [
        Column("transactioncurrencyid", "TransactionCurrencyId", Kind.LOOKUP, "Currency", targets=(currency,)),
        Column(
            "exchangerate",
            "ExchangeRate",
            Kind.DECIMAL,
            "Exchange Rate",
            creatable=False,
            updatable=False,
            low=Decimal("0.0000000001"),
            high=Decimal(900_000_000),
            precision=10,
        ),
        *base,
    ]


def _state(status: Mapping[str, Any] | None) -> list[Column]:
    if status is not None and not status:
        return []
    listed = status or {"Active": {1: "Active"}, "Inactive": {2: "Inactive"}}
    states = tuple(Option(number, label) for number, label in enumerate(listed))
    reasons = tuple(
        Option(int(value), str(label), state)
        for state, options in enumerate(listed.values())
        for value, label in options.items()
    )
    return [
        Column(
            "statecode",
            "statecode",
            Kind.STATE,
            "Status",
            required="SystemRequired",
            creatable=True,
            options=states,
            default=0,
        ),
        Column("statuscode", "statuscode", Kind.STATUS, "Status Reason", options=reasons),
    ]


def with_image_place(column: Column, others: Iterable[Column]) -> Column:
    """The first image column of a table is its primary one: that can be sent on create, too."""
    if column.kind is not Kind.IMAGE or any(other.kind is Kind.IMAGE for other in others):
        return column
    return replace(column, creatable=True)


def companions(column: Column) -> list[Column]:
    """The columns that come with a file or an image, and go with it."""
    endings = {
        Kind.FILE: (("_name", Kind.TEXT),),
        Kind.IMAGE: (("_timestamp", Kind.BIGINT), ("_url", Kind.TEXT), ("id", Kind.UNIQUEIDENTIFIER)),
    }
    return [_companion(column, ending, kind) for ending, kind in endings.get(column.kind, ())]


def _companion(column: Column, ending: str, kind: Kind) -> Column:
    low, high = (Decimal(-(2**63)), Decimal(2**63 - 1)) if kind is Kind.BIGINT else (None, None)
    name = f"{column.schema_name}{ending}"
    made = Column(name.lower(), name, kind, name, creatable=False, updatable=False, custom=True, low=low, high=high)
    return replace(made, attribute_of=column.name, max_length=200 if kind is Kind.TEXT else None)
