"""Looks at an environment as a sync will meet it, and says what is missing."""

from __future__ import annotations

from shared.engine.doctor.diagnosis import diagnose, examine_user
from shared.engine.doctor.needs import needs_of
from shared.engine.doctor.role import role_of

__all__ = ["diagnose", "examine_user", "needs_of", "role_of"]
