"""Classic workflows: started for a row by ExecuteWorkflow, done by a system job that one polls.

Source: Microsoft Learn, "ExecuteWorkflow action". The members of its answer are not published there: it is taken to be
the system job.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from local.dataverse import documents
from local.dataverse.documents import STRICT
from local.dataverse.logic.operations import Deed

READY, LOCKED, COMPLETED = 0, 2, 3
SUCCEEDED, FAILED = 30, 31
JOB = "asyncoperation"
WORKFLOW = 10
"""The operation type of a system job that runs a workflow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """One workflow for the rows of a table; `delay_s` until its system job has done it."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    name: str
    table: str
    does: Deed = field(default_factory=Deed)
    active: bool = True
    on_demand: bool = True
    delay_s: Annotated[float, Field(ge=0)] = 0.0

    @classmethod
    def of(cls, document: object) -> Workflow:
        """A workflow from JSON or YAML.

        Raises:
            DocumentError: a member is unknown or wrong.
        """
        return documents.read(cls, document, "workflow")
