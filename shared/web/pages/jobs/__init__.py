"""Pages where people watch, preview, approve, repair and undo: jobs, their plans and rejects, and single records."""

from __future__ import annotations

from shared.web.pages.jobs import acting, changes, listing, records, rejects, showing
from shared.web.routing import Route

ROUTES: tuple[Route, ...] = (
    *listing.ROUTES,
    *showing.ROUTES,
    *acting.ROUTES,
    *changes.ROUTES,
    *rejects.ROUTES,
    *records.ROUTES,
)
