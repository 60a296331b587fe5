"""All routes of the API, subject by subject."""

from __future__ import annotations

from shared.web.routes import health
from shared.web.routing import Route

ROUTES: tuple[Route, ...] = (*health.ROUTES,)
