"""Impersonation: the user named by `CallerObjectId` or `MSCRMCallerID`, as whom a request is done.

Source: Microsoft Learn, "Impersonate another user using the Web API".
"""

from __future__ import annotations

from collections.abc import Mapping

from local.dataverse.refusals import Refusal
from local.dataverse.values import GUID
from local.dataverse.world import World

_HEADERS = {"callerobjectid": "azureactivedirectoryobjectid", "mscrmcallerid": "systemuserid"}


def impersonated(world: World, headers: Mapping[str, str]) -> str | None:
    """The id of the user to act as, None when no header names one.

    Raises:
        Refusal: 403, there is no such user, or it is disabled.
    """
    for header, column in _HEADERS.items():
        given = headers.get(header, "").strip().strip("{}")
        if given:
            return _user(world, column, given)
    return None


def _user(world: World, column: str, given: str) -> str:
    found = []
    if GUID.fullmatch(given):
        statement = f"SELECT systemuserid, isdisabled FROM systemuser WHERE {column} = ?"
        found = world.store.all(statement, (given.lower(),))
    if not found:
        raise Refusal(403, "0x8004a110", f"The user with id {given[:50]} cannot be acted for: there is no such user.")
    user_id, disabled = found[0]
    if disabled:
        raise Refusal(403, "0x80040225", f"The user with id {user_id} has been disabled.")
    return str(user_id)
