"""The seams: what the engine needs from the outside, in protocols of a few methods."""

from __future__ import annotations

from shared.ports.definitions import KEPT_REVISIONS, DefinitionStore
from shared.ports.events import Ledger, Listeners, Park, RejectedEvents
from shared.ports.jobs import (
    ArtifactStore,
    CallMemory,
    CancelStore,
    Clock,
    FileMemory,
    JobStore,
    LeaseStore,
    OutcomeStore,
    ProgressListener,
    ProgressMemory,
    Schedules,
    State,
    WatermarkMemory,
)
from shared.ports.secrets import SecretHome, Secrets
from shared.ports.sources import Explain, MalformedRow, Source, SourceSink, StagedSource

__all__ = [
    "KEPT_REVISIONS",
    "ArtifactStore",
    "CallMemory",
    "CancelStore",
    "Clock",
    "DefinitionStore",
    "Explain",
    "FileMemory",
    "JobStore",
    "LeaseStore",
    "Ledger",
    "Listeners",
    "MalformedRow",
    "OutcomeStore",
    "Park",
    "ProgressListener",
    "ProgressMemory",
    "RejectedEvents",
    "Schedules",
    "SecretHome",
    "Secrets",
    "Source",
    "SourceSink",
    "StagedSource",
    "State",
    "WatermarkMemory",
]
