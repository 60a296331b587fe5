"""Where checkov is, if it is there: in an environment of its own, for it pins a hundred packages."""

from __future__ import annotations

import os
from pathlib import Path

COMMAND = Path(os.environ.get("CHECKOV", Path(__file__).parents[1] / "tools/checkov/bin/checkov"))


def can_run() -> bool:
    """Whether it can be run here."""
    return os.access(COMMAND, os.X_OK)
