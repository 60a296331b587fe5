"""What the sync does with new, changed, dropped and returned records, and where it must stop."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Discriminator, Field, StrictInt, Tag

from shared.definitions.part import AnyShare, ColumnName, Count, Expression, Names, Part, Share, Text, choose


class ConditionalUpdate(Part):
    """Update only where a condition holds."""

    when: Expression = Field(
        description="Condition over source.<column> and target.<column>, "
        "for example target.name IS NULL OR source.credit > target.creditlimit."
    )


StatusReason = Annotated[
    Annotated[Text, Tag("<label>")] | Annotated[StrictInt, Tag("<number>")],
    Discriminator(lambda value: "<number>" if isinstance(value, int) else "<label>"),
]


class Deactivate(Part):
    """A dropped row is made inactive."""

    deactivate: StatusReason = Field(description="The inactive status reason to set: its label or its number.")


class Expire(Part):
    """A dropped row gets the time of the run in a date column."""

    expire: ColumnName = Field(description="The destination's date column that receives the time of the run.")


Changed = Annotated[
    Annotated[Literal["update", "ignore"], Tag("<word>")] | Annotated[ConditionalUpdate, Tag("<when>")],
    choose(when="<when>"),
]
Dropped = Annotated[
    Annotated[Literal["ignore", "delete"], Tag("<word>")]
    | Annotated[Deactivate, Tag("<deactivate>")]
    | Annotated[Expire, Tag("<expire>")],
    choose(deactivate="<deactivate>", expire="<expire>"),
]
Undo = Annotated[
    Annotated[Literal["delete"], Tag("<word>")] | Annotated[Deactivate, Tag("<deactivate>")],
    choose(deactivate="<deactivate>"),
]


class Brakes(Part):
    """Limits that stop a job with its plan before the first write. Shares of the destination's filtered rows.

    With strategy delta, where not every row is read, Dataverse counts them: behind a filter up to 50,000.
    """

    removals: Share | None = Field(
        default=Decimal("0.05"),
        json_schema_extra={"default": "5%"},
        description="Rows deleted, expired and deactivated together, as a share of the destination's rows; "
        "null: no limit.",
    )
    creates: AnyShare | None = Field(
        default=Decimal("0.5"),
        json_schema_extra={"default": "50%"},
        description="Rows created, as a share of the destination's rows; may pass 100%; null: no limit. "
        "Not limited while the destination is empty.",
    )
    updates: Share | None = Field(
        default=Decimal("0.5"),
        json_schema_extra={"default": "50%"},
        description="Rows updated, as a share of the destination's rows; null: no limit.",
    )
    rejects: Share | None = Field(
        default=Decimal("0.05"),
        json_schema_extra={"default": "5%"},
        description="Records rejected, as a share of the records read; null: no limit.",
    )
    at_least: Annotated[Count, Field(ge=0, le=1_000_000)] = Field(
        default=20,
        description="The floor, in rows: so many are always let through, whatever the share says; of removals "
        "never more than half of the destination's rows.",
    )


_BRAKES = (
    "When to stop before writing. A plan that writes nothing is never held back. Beside the limits set here, three "
    "brakes are always on. empty_source: no record was read, and the destination has rows. shrunken_source (strategy "
    "full only): fewer than half as many records were read as by the last finished job that was given the same "
    "variables, and the difference is more than at_least. "
    "emptied:<column>: the column would become empty in more than half of the rows that hold a value, and in more than "
    "at_least."
)
"""The rules are those of `shared.brakes`."""


class Behaviour(Part):
    """What becomes of each record and row."""

    strategy: Literal["full", "delta"] = Field(
        description="full: source and destination are compared. delta: what is read is inserted or updated, "
        "and absence means nothing."
    )
    key: Names = Field(description="The sync key: the target columns that say which record is which.")
    duplicates: Literal["reject", "first", "last"] = Field(
        default="reject", description="Several records with one key: reject all of them, or keep the first or the last."
    )
    new: Literal["insert", "ignore"] = Field(
        default="insert", description="A record without a row: insert it or ignore it."
    )
    changed: Changed = Field(
        default="update",
        description="A record whose row differs: update, ignore, or { when: <condition> } to update only "
        "where it holds.",
    )
    dropped: Dropped = Field(
        default="ignore",
        description="A row without a record: ignore, delete, { deactivate: <status reason> } or { expire: <column> }. "
        "Only with strategy full and without a watermark.",
    )
    returned: Literal["revive", "ignore"] = Field(
        default="revive", description="A record whose row was expired or deactivated: revive the row or ignore it."
    )
    deletes: Literal["follow", "ignore", "as dropped"] = Field(
        default="follow",
        description="A delete event, or action DELETE: delete the row, ignore it, or treat the row as `dropped` says.",
    )
    action_column: ColumnName | None = Field(
        default=None, description="A source column that holds INSERT, UPDATE or DELETE, record by record."
    )
    brakes: Brakes = Field(default=Brakes(), description=_BRAKES)
    undo: Undo = Field(
        default="delete",
        description="What `undo` does to rows that the undone job created: delete, or { deactivate: <status reason> }. "
        "A row that was edited since, or that other rows refer to, is left alone.",
    )
    approval: Literal["none", "required"] = Field(
        default="none", description="required: every job waits with its plan until a person approves it."
    )
