"""Where a proof of who we are may be sent: a known Entra authority, or one that the operator named, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from shared.dataverse.service_url import is_loopback
from shared.errors import AuthenticationError, NotAllowedError

DEFAULT_AUTHORITY = "https://login.microsoftonline.com/"
KNOWN_AUTHORITIES = frozenset(
    {
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.us",
        "https://login.partner.microsoftonline.cn",
        "https://login.chinacloudapi.cn",
        "https://login.windows.net",
        "https://login.microsoft.com",
        "https://login.windows-ppe.net",
    }
)
"""Entra's public and sovereign authorities. Source: Microsoft Learn, "National clouds" (identity platform)."""

_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_SHARED_TENANTS = frozenset({"common", "organizations", "consumers"})


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, in lower case."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port and (parts.scheme, parts.port) != ("https", 443) else ""
    except ValueError:
        return "an address that cannot be read"
    host = (parts.hostname or "").lower()
    return f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}{port}"


def allowed_authority(url: str, allowed: Iterable[str]) -> str:
    """The authority's origin, when a secret may be sent there.

    Raises:
        NotAllowedError: it may not.
    """
    origin = origin_of(url)
    parts = urlsplit(origin) if "://" in origin else None
    encrypted = parts is not None and (parts.scheme == "https" or is_loopback(parts.hostname))
    if origin not in set(allowed) or not encrypted:
        raise NotAllowedError(
            f"a client secret is not sent to {origin!r}: it is no known Entra authority and the operator's reach file "
            "does not name it"
        )
    return origin


def checked_tenant(tenant: str) -> str:
    """A tenant id or domain that is fit for an address.

    Raises:
        AuthenticationError: it is none, or one that means "any tenant".
    """
    if _TENANT.fullmatch(tenant) is None or tenant.lower() in _SHARED_TENANTS:
        raise AuthenticationError(
            "the tenant id is not a GUID or domain name; set tenant_id to the environment's tenant"
        )
    return tenant
