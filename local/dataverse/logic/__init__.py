"""Custom logic: plug-in steps, declared actions and functions, classic workflows."""

from __future__ import annotations

from local.dataverse.logic.events import Event, StepRefusedError
from local.dataverse.logic.operations import Operation
from local.dataverse.logic.steps import Stage, Step, Steps
from local.dataverse.logic.workflows import Workflow

__all__ = ["Event", "Operation", "Stage", "Step", "StepRefusedError", "Steps", "Workflow"]
