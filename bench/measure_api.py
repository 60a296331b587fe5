"""`python -m bench api`: what the app costs at its start, and what a start of a job costs by the API."""

from __future__ import annotations

from bench.api.starts import main

__all__ = ["main"]
