"""Calls that may be repeated: what is remembered of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class RememberedCall:
    """A start that came with a key of the caller's own.

    `key` is made of the caller and their key, `digest` of all that the call asked for; `job_id` is its job's.
    """

    key: str
    digest: str
    job_id: str
    at: datetime
