"""One sync definition, whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from shared.definitions.behaviour import Behaviour
from shared.definitions.destination import DynamicsDestination
from shared.definitions.listener import Listener
from shared.definitions.mapping import ColumnMapping
from shared.definitions.part import SYNC_NAME, AnyText, Flag, Part, Text
from shared.definitions.permissions import Permissions
from shared.definitions.post_sync import PostSyncStep
from shared.definitions.schedule import Schedule
from shared.definitions.source import FileSource, Source
from shared.definitions.variables import Variable, VariableName


def _plain(value: object) -> object:
    return {} if value is None else value


class SyncDefinition(Part):
    """One sync: what is read, what it becomes, where it goes and under which rules."""

    name: Annotated[str, StringConstraints(strict=True, max_length=60, pattern=SYNC_NAME)] = Field(
        description="The sync's name; equals the file's name. Lower-case letters, digits and single hyphens."
    )
    version: Annotated[str, StringConstraints(strict=True, max_length=40, pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]*$")] = (
        Field(default="1.0.0", description="The definition's version, noted with every job.")
    )
    title: Annotated[Text, Field(max_length=200)] | None = Field(
        default=None, description="A title for people; at most 200 characters."
    )
    description: Annotated[AnyText, Field(max_length=500)] = Field(
        default="", description="What the sync is for; at most 500 characters."
    )
    enabled: Flag = Field(default=True, description="false: it neither starts by schedule nor by hand.")
    variables: Mapping[VariableName, Annotated[Variable, BeforeValidator(_plain)]] = Field(
        default_factory=dict, description="Variables by name, used as @name."
    )
    source: Source = Field(description="Where records come from.")
    destination: DynamicsDestination = Field(description="Where they go.")
    mappings: Annotated[tuple[ColumnMapping, ...], Field(min_length=1, max_length=1000)] = Field(
        description="Which source column fills which destination column. What is not mapped is not touched."
    )
    behaviour: Behaviour = Field(description="What becomes of new, changed and dropped records.")
    schedule: Schedule | None = Field(default=None, description="When the sync starts by itself.")
    listener: Listener | None = Field(default=None, description="Real time: how change messages are taken.")
    post_sync: Annotated[tuple[PostSyncStep, ...], Field(max_length=20)] = Field(
        default=(), description="Steps after a job, in order."
    )
    permissions: Permissions = Field(default=Permissions(), description="Who may do what with this sync.")

    def choice(self, variables: Mapping[str, str]) -> str:
        """Which records a job is asked to read, by the variables that are given (no files and formulas)."""
        given = {name for name, variable in self.variables.items() if not variable.file and not variable.formula}
        return json.dumps({name: value for name, value in sorted(variables.items()) if name in given})

    def names_files(self, text: str) -> bool:
        """Whether an expression names a variable that is a file, or is made of one's name."""
        named = set(re.findall(r"@([A-Za-z_][A-Za-z0-9_]*)", text))
        return any(name in named and (one.file or one.formula) for name, one in self.variables.items())

    @property
    def reads_a_part(self) -> bool:
        """Whether a run reads a part of the source's records, so that absence means nothing."""
        return self.behaviour.strategy == "delta" or self.source.watermark is not None

    @property
    def only_new_files(self) -> bool:
        """Whether files that a finished job has read are left out."""
        source = self.source
        if not isinstance(source, FileSource) or self.behaviour.strategy == "full":
            return False
        return source.processed == "skip" or (source.processed is None and source.several)
