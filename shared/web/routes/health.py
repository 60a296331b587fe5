"""Whether the app is up; and, for those who may know, how each of its parts does."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from shared.permissions import Operation
from shared.web.routing import Call, Reply, Route
from shared.wiring.health import PartHealth


class Health(BaseModel):
    """How the app does; `parts` for those who may see them."""

    status: Literal["up", "down"]
    parts: tuple[PartHealth, ...] | None = None


def health(call: Call) -> Reply:
    """The health of the app; 503 when a part is down without which nothing goes."""
    may_see = call.gate.may(call.caller, Operation.SEE_HEALTH_PARTS)
    parts = call.hosted.health.all() if may_see else call.hosted.health.near()
    up = all(part.up for part in parts[:2])
    shown = parts if may_see else None
    return Reply(Health(status="up" if up else "down", parts=shown), 200 if up else 503)


ROUTES = [
    Route(
        method="GET",
        path="/api/health",
        operation=Operation.SEE_HEALTH,
        summary="Whether the app is up; its parts, for callers with the app role dynsync.read.",
        does=health,
        gives=Health,
    )
]
