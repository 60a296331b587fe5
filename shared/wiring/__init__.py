"""Builds the product from its settings: the only place that reads settings and makes real things."""

from __future__ import annotations

import os
from pathlib import Path

from shared.wiring.app import LocalApp

__all__ = ["LocalApp", "open_app"]


def open_app(*, state: Path, syncs: Path) -> LocalApp:
    """The product on this machine, with this process's environment."""
    return LocalApp(state=state, syncs=syncs, environ=os.environ)
