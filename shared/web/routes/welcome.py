"""What the app is, and where to go on from here: for whoever opens its address in a browser, and for machines."""

from __future__ import annotations

from pydantic import BaseModel

from shared.permissions import Operation
from shared.web.routing import Call, Route


class Welcome(BaseModel):
    """Where things are: paths of this app."""

    app: str = "Dynamics Sync: keeps Dynamics 365 / Dataverse tables in step with other systems."
    health: str = "/api/health"
    api: str = "/api/openapi.json"
    documentation: str = "docs/api.md in the project tells how to call and who may; `dynsync --app URL` calls for you."


def welcome(_: Call) -> Welcome:
    """The same for everybody."""
    return Welcome()


ROUTES = [
    Route(
        method="GET",
        path="/",
        operation=Operation.SEE_API,
        summary="What this app is, and where its health and this document are.",
        does=welcome,
        gives=Welcome,
    )
]
