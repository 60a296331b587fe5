"""Ids of jobs."""

from __future__ import annotations

import secrets as randomness
from datetime import datetime


def new_job_id(now: datetime) -> str:
    """A job's id: the time it began, so that ids sort, and eight random digits, so that those of one second differ."""
    return f"{now:%Y%m%d-%H%M%S}-{randomness.token_hex(4)}"
