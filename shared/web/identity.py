"""Who calls: App Service authentication's header, a function key, or a developer on this machine.

The header is believed only where the platform says that App Service authentication is on: then it takes away what a
client sends under this name. Otherwise everybody is nobody.
Source: "Work with user identities in Azure App Service authentication", Microsoft Learn, 2026.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from shared.definitions.reach import LOOPBACK
from shared.errors import NotSignedInError
from shared.log import event
from shared.permissions import APP_ROLES, NOBODY, Caller, Kind
from shared.web.call import Request
from shared.wiring.hosted import Trust
from shared.wiring.settings import Settings

_log = logging.getLogger(__name__)
PRINCIPAL = "x-ms-client-principal"
SESSION = timedelta(hours=8)
"""How long a session of the platform outlives the token that began it. Source: as above, "Extend session token"."""
_LONGEST = 64_000
_OBJECT_ID = ("oid", "http://schemas.microsoft.com/identity/claims/objectidentifier")
_TENANT = ("tid", "http://schemas.microsoft.com/identity/claims/tenantid")
_SCOPE = ("scp", "http://schemas.microsoft.com/identity/claims/scope")
_NAMES = ("preferred_username", "upn", "email", "name", "app_displayname", "azp", "appid")
_GROUPS = ("groups",)
_ROLES = ("roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role")
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
"""A time as RFC 7519 has it (NumericDate). What else Python takes for a number may be none at all."""


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a principal; a name may come several times."""

    pairs: tuple[tuple[str, str], ...]

    def has(self, name: str) -> bool:
        """Whether the name is there at all."""
        return any(typ == name for typ, _ in self.pairs)

    def one(self, *names: str) -> str:
        """The first value of the first of the names that is there; empty when none is."""
        return next((value for name in names for typ, value in self.pairs if typ == name and value), "")

    def only(self, *names: str) -> str:
        """As `one`, of a claim that is said once. Raises `ValueError` when there are two that differ."""
        if len({value for typ, value in self.pairs if typ in names}) > 1:
            raise ValueError
        return self.one(*names)

    def all(self, *names: str) -> frozenset[str]:
        """All values of the names."""
        return frozenset(value for typ, value in self.pairs if typ in names and value)


def caller_of(request: Request, trust: Trust, settings: Settings, now: datetime) -> Caller:
    """Who sent the request.

    Raises:
        NotSignedInError: what says so cannot be believed: it is no principal, has ended, or is another tenant's.
    """
    if request.key:
        return Caller(Kind.KEY, "function key", "key", syncs=settings.key_syncs)
    if trust.platform:
        principal = request.headers.get(PRINCIPAL)
        return NOBODY if principal is None else _known(principal, settings, now)
    if trust.developer and _by_own_name(request) and _from_here(request, trust):
        return Caller(Kind.DEVELOPER, "developer", "developer")
    return NOBODY


def _from_here(request: Request, trust: Trust) -> bool:
    """Whether the host says that the call comes from this machine, or a setting that this need not be asked."""
    if trust.peer_header is None:
        return trust.unchecked
    try:
        peer = ip_address(request.headers.get(trust.peer_header, ""))
    except ValueError:
        return False
    return peer.is_loopback


def _by_own_name(request: Request) -> bool:
    """Whether a program on this machine asked this machine by its own name (a foreign name that leads here is none)."""
    host = request.host.rpartition(":")[0] if request.host.count(":") == 1 or "]:" in request.host else request.host
    return host.strip("[]").lower() in LOOPBACK


def _known(principal: str, settings: Settings, now: datetime) -> Caller:
    try:
        claims = _claims(principal)
        ended = _ended(claims, now)
        tenant, identity = claims.only(*_TENANT), claims.only(*_OBJECT_ID)
    except (ValueError, binascii.Error, RecursionError):
        raise _disbelieved("malformed") from None
    if ended:
        raise _disbelieved("expired")
    if settings.tenant_id and tenant.lower() != settings.tenant_id.lower():
        raise _disbelieved("tenant")
    if not identity:
        raise _disbelieved("nameless")
    application = claims.one("idtyp") == "app" or not claims.one(*_SCOPE, "preferred_username", "upn", "email")
    kind = Kind.APPLICATION if application else Kind.PERSON
    return Caller(kind, claims.one(*_NAMES)[:200] or identity, f"{tenant}/{identity}", _memberships(claims))


def _ended(claims: Claims, now: datetime) -> bool:
    """Whether the session is over. Raises `ValueError` when its end is no time."""
    if not claims.has("exp"):
        return False
    expires = claims.only("exp")
    if not _SECONDS.fullmatch(expires):
        raise ValueError
    return now.timestamp() > float(expires) + SESSION.total_seconds()


def _memberships(claims: Claims) -> frozenset[str]:
    """Groups and app roles. A tenant may tell groups by name, so a group named as an app role is none."""
    return claims.all(*_ROLES) | (claims.all(*_GROUPS) - APP_ROLES.keys())


def _claims(principal: str) -> Claims:
    """The claims of Entra's principal. Raises `ValueError` when it is none."""
    if len(principal) > _LONGEST:
        raise ValueError
    told = json.loads(base64.b64decode(principal, validate=True), object_pairs_hook=_members)
    if not isinstance(told, dict) or told.get("auth_typ") != "aad":
        raise ValueError
    return Claims(tuple(_pairs(told.get("claims"), str(told.get("role_typ") or ""))))


def _pairs(claims: Any, role_type: str) -> Iterator[tuple[str, str]]:
    if not isinstance(claims, list):
        raise ValueError  # noqa: TRY004 - one kind of error for every malformed principal
    for claim in claims:
        if not isinstance(claim, Mapping):
            raise ValueError  # noqa: TRY004 - one kind of error for every malformed principal
        name, value = _text(claim.get("typ")), _text(claim.get("val"))
        yield ("roles" if role_type and name == role_type else name), value


def _text(found: Any) -> str:
    """A text that every store can keep; the platform tells claims of other kinds as their text."""
    if not isinstance(found, str):
        raise ValueError  # noqa: TRY004 - one kind of error for every malformed principal
    found.encode()  # half a character is a UnicodeEncodeError, which is a ValueError
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, each of whose members is told once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _disbelieved(why: str) -> NotSignedInError:
    event(_log, "caller.refused", level=logging.WARNING, why=why)
    return NotSignedInError(
        "the identity that came with this call is not accepted here",
        remedy="sign in again with an account of the app's own tenant",
    )
