"""Environments: what stands in a sync's way there, and the role that its syncs need."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from shared.permissions import Operation
from shared.values.rights import Finding, Role
from shared.web.routes.forms import Form, SyncName
from shared.web.routing import Call, Route

MOST = 200
"""Syncs of one call."""


class RoleForm(Form):
    """For which syncs."""

    syncs: Annotated[tuple[SyncName, ...], Field(max_length=MOST)] = Field(
        default=(), description="Their names; none: all sound ones that the caller may ask about."
    )
    undo: bool = Field(default=False, description="With the rights that taking a job back needs.")


class FindingsView(BaseModel):
    """What was looked at, and what to do about it."""

    sync: str
    findings: list[Finding]


class RolesView(BaseModel):
    """The least-privilege role of each environment."""

    roles: list[Role]


def doctor(call: Call) -> FindingsView:
    """Look at the environment with the credentials that the app has."""
    return FindingsView(sync=call.sync, findings=call.hosted.app.findings(call.sync))


def role(call: Call) -> RolesView:
    """The role of each environment, for the syncs that are named."""
    form: RoleForm = call.body.value
    for name in form.syncs:
        call.gate.require(call.caller, Operation.SEE_ROLE, name)
    broken = call.hosted.app.broken()
    names = form.syncs or [
        name
        for name in call.hosted.app.sync_names()
        if name not in broken and call.gate.may(call.caller, Operation.SEE_ROLE, name)
    ]
    with call.gate.noting(call.caller, Operation.SEE_ROLE, None):
        return RolesView(roles=call.hosted.app.roles(names, undo=form.undo) if names else [])


_OUTSIDE = (409, 502)

ROUTES = [
    Route(
        method="POST", path="/api/syncs/{sync}/doctor", operation=Operation.DIAGNOSE, does=doctor, gives=FindingsView,
        summary="Look at the sync's environment: identity, rights, key, plug-ins, limits; each with its fix.",
        refuses=_OUTSIDE,
    ),
    Route(
        method="POST", path="/api/role", operation=Operation.SEE_ROLE, does=role, gives=RolesView, takes=RoleForm,
        asks=True, summary="The least-privilege security role that syncs need, one for each environment.",
        refuses=_OUTSIDE,
    ),
]  # fmt: skip
