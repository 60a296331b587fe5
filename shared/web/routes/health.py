"""Whether the app is up; and, for those who may know, how each of its parts does."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from shared.permissions import Operation
from shared.web.routing import Call, Reply, Route
from shared.wiring.health import PartHealth


class Health(BaseModel):
    """How the app does; `parts` for those who may see them. Only they are told `degraded`: a part that is not well."""

    status: Literal["up", "degraded", "down"]
    parts: tuple[PartHealth, ...] | None = None


def health(call: Call) -> Reply:
    """The health of the app; 503 when a part is down without which nothing goes, and only then.

    A platform that asks takes an instance that answers otherwise out of use, though another one would do no better.
    """
    may_see = call.gate.may(call.caller, Operation.SEE_HEALTH_PARTS)
    parts = call.hosted.health.all() if may_see else call.hosted.health.near()
    if any(part.vital and not part.up for part in parts):
        return Reply(Health(status="down", parts=parts if may_see else None), 503)
    if not may_see:
        return Reply(Health(status="up"))
    return Reply(Health(status="up" if all(part.up for part in parts) else "degraded", parts=parts))


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
