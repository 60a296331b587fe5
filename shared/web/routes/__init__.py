"""All routes of the API, subject by subject."""

from __future__ import annotations

from functools import cache
from typing import Any

from shared.permissions import Operation
from shared.web.openapi import document
from shared.web.routes import cases, definitions, environments, events, health, jobs, starts, syncs
from shared.web.routing import Call, Route

VERSION = "1"
"""Of the API; a change that breaks a caller brings the next."""


def describe(_: Call) -> dict[str, Any]:
    """The API itself, as OpenAPI 3.1."""
    return described()


ROUTES: tuple[Route, ...] = (
    *health.ROUTES,
    Route(
        method="GET",
        path="/api/openapi.json",
        operation=Operation.SEE_API,
        summary="This document.",
        does=describe,
        gives=dict[str, Any],
    ),
    *syncs.ROUTES,
    *definitions.ROUTES,
    *environments.ROUTES,
    *starts.ROUTES,
    *jobs.ROUTES,
    *cases.ROUTES,
    *events.ROUTES,
)


@cache
def described() -> dict[str, Any]:
    """The OpenAPI document of all routes."""
    return document(ROUTES, VERSION)
