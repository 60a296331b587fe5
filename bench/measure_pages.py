"""`python -m bench pages`: what reading costs the local Dataverse."""

from __future__ import annotations

from bench.standin.pages import main

__all__ = ["main"]
