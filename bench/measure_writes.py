"""`python -m bench writes`: what writing costs the local Dataverse."""

from __future__ import annotations

from bench.standin.writes import main

__all__ = ["main"]
