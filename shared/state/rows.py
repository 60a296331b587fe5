"""Values to stored text and back, exactly: what is read equals what was saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import StateError
from shared.values.changes import Outcome, OutcomeStatus
from shared.values.files import FileRead
from shared.values.jobs import Brake, DestinationBalance, Job, JobState, Slices, SourceBalance, StepResult
from shared.values.watermarks import Watermark

_MAPPINGS = ("variables", "planned", "timings_s", "requests", "columns", "handed_over")


_WATERMARKS = ("watermark", "read_from")


def job_to_text(job: Job) -> str:
    """One job as a JSON object. ASCII, so that every text survives, whatever it holds."""
    members: dict[str, Any] = {field.name: getattr(job, field.name) for field in fields(job)}
    members |= {name: dict(members[name]) for name in _MAPPINGS}
    members |= {"source": asdict(job.source), "destination": asdict(job.destination)}
    members["brakes"] = [asdict(brake) for brake in job.brakes]
    members["files"] = [asdict(file) for file in job.files]
    members["steps"] = [asdict(step) for step in job.steps]
    members["slices"] = job.slices and asdict(job.slices)
    members |= {name: _watermark_to_members(members[name]) for name in _WATERMARKS}
    members["created_at"] = instant_to_text(job.created_at)
    members["finished_at"] = job.finished_at and instant_to_text(job.finished_at)
    return json.dumps(members)


def job_from_text(text: str) -> Job:
    """The job that `job_to_text` wrote; members added since take their defaults.

    Raises:
        StateError: the text is no job of this version.
    """
    try:
        return _job(json.loads(text))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StateError(
            f"a stored job cannot be read by this version ({error}); use the version that wrote it"
        ) from error


def _job(members: Mapping[str, Any]) -> Job:
    typed: dict[str, Any] = {
        "state": JobState(members["state"]),
        "created_at": datetime.fromisoformat(members["created_at"]),
        "source": SourceBalance(**members["source"]),
        "destination": DestinationBalance(**members["destination"]),
        "brakes": tuple(Brake(**brake) for brake in members["brakes"]),
        "notes": tuple(members["notes"]),
        "steps": tuple(StepResult(**step) for step in members.get("steps", ())),
        "chain": tuple(members.get("chain", ())),
        "files": tuple(FileRead(**file) for file in members.get("files", ())),
    }
    if members.get("slices") is not None:
        typed["slices"] = Slices(**members["slices"])
    for name in _WATERMARKS:
        if members.get(name) is not None:
            typed[name] = watermark_from_text(**members[name])
    if members["finished_at"] is not None:
        typed["finished_at"] = datetime.fromisoformat(members["finished_at"])
    return Job(**{**members, **typed})


def _watermark_to_members(mark: Watermark | None) -> dict[str, Any] | None:
    return asdict(mark) | {"value": str(mark)} if mark is not None else None


def watermark_from_text(column: str, value: str, choice: str) -> Watermark:
    """The watermark whose text was stored. Raises `RefuseError`."""
    return Watermark.from_text(column, value, date="T" in value, choice=choice)


def exceptions_to_text(exceptions: tuple[Outcome, ...]) -> str:
    """Outcomes as a JSON array."""
    return json.dumps([outcome._asdict() for outcome in exceptions])


def exceptions_from_text(text: str) -> tuple[Outcome, ...]:
    """The outcomes that `exceptions_to_text` wrote. Raises `StateError`."""
    try:
        return tuple(Outcome(**{**one, "status": OutcomeStatus(one["status"])}) for one in json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise StateError(
            f"a stored outcome cannot be read by this version ({error}); use the version that wrote it"
        ) from error


def instant_to_text(instant: datetime) -> str:
    """ISO 8601 with its offset. Raises `ValueError` for a datetime without a zone."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant.isoformat()} has no time zone; every datetime carries one")
    return instant.isoformat()


def microseconds(instant: datetime) -> int:
    """Whole microseconds since 1970 in UTC: exact, and sortable. Raises `ValueError` without a zone."""
    instant_to_text(instant)
    return round(instant.replace(microsecond=0).timestamp()) * 1_000_000 + instant.microsecond


def from_microseconds(number: int) -> datetime:
    """The instant that `microseconds` told, in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=number)
