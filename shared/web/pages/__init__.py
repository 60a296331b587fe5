"""The web page: HTML made on the server, of the same functions as the API's answers.

A page is a `Route` like any other, so the gate asks for its operation before it runs. To add one, write a module with
`ROUTES`, enter it here, and put its template into `templates/`; `rendering.page` and `rendering.see` make its answers.
"""

from __future__ import annotations

from shared.web.pages import assets, definition, jobs, sync, syncs
from shared.web.routing import Route

PAGES: tuple[Route, ...] = (
    *assets.ROUTES,
    *syncs.ROUTES,
    *sync.ROUTES,
    *definition.ROUTES,
    *jobs.ROUTES,
)
"""Every page, form and asset; none of them stands in the OpenAPI document."""
