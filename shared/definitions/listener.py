"""Real time: how change messages are read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from shared.definitions.destination import Tag
from shared.definitions.part import ColumnName, Expression, Flag, Names, Part, Text, distinct


class Listener(Part):
    """How this sync takes change messages from the queue."""

    enabled: Flag = Field(default=False, description="Whether messages are applied. Keep it off while you build.")
    format: Literal["json", "cloudevents", "debezium", "dataverse"] = Field(
        default="json", description="The messages' form."
    )
    action: Text | None = Field(
        default=None,
        description="The message member that names the operation (json, cloudevents; the other formats say it "
        "themselves). When left out, every message is an upsert.",
    )
    key: Names = Field(description="The source columns that say which record a message is about; they keep its order.")
    version: ColumnName | None = Field(
        default=None,
        description="The source column that grows with every change of a record. A message older than the last one "
        "applied for its key is stale and not written.",
    )
    filter: Expression | None = Field(
        default=None, description="Expression over the source's columns: which messages count."
    )
    ignore_tags: Annotated[tuple[Tag, ...], Field(max_length=20), AfterValidator(distinct)] = Field(
        default=(),
        description="Format dataverse: events that carry one of these tags are passed over. Name here the `tag` of the "
        "sync that writes the other way, so that two environments do not chase each other's changes.",
    )
