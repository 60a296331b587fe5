"""PostgreSQL through psycopg: the package, a connection string made safe, and a server that cannot be reached."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from shared.errors import AuthenticationError, FailError, NotBuiltError, SourceError

if TYPE_CHECKING:
    import psycopg

CONNECT_S = 15
"""How long a server may take to answer, in seconds."""
_LOCAL = ("127.0.0.1", "::1", "localhost")
_LOGIN = ("authentication failed", "no password supplied", "no pg_hba.conf entry", 'role "', "not permitted to log in")


def driver() -> Any:
    """The package psycopg. Raises `NotBuiltError` where it is not installed."""
    try:
        return importlib.import_module("psycopg")  # dear to start, and an extra
    except ImportError:
        raise NotBuiltError(
            "PostgreSQL needs the package psycopg, which is not installed here; "
            "add psycopg[binary] to requirements.txt, or on your own machine: .venv/bin/pip install 'psycopg[binary]'"
        ) from None


def secured(conninfo: str, shown: str) -> str:
    """The connection string with TLS where it says nothing of it, but for this machine itself."""
    from psycopg import Error
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    try:
        parts = conninfo_to_dict(conninfo)
    except Error:  # its message may hold a piece of the string
        raise SourceError(
            f"{shown}: the secret holds no connection string; write "
            "`host=… dbname=… user=… password=…` or `postgresql://user:password@host/database`"
        ) from None
    host = str(parts.get("host") or parts.get("hostaddr") or "localhost")
    local = all(one in _LOCAL or one.startswith("/") for one in host.split(","))
    mode = {} if local or "sslmode" in parts else {"sslmode": "require"}
    return make_conninfo(conninfo, client_encoding="UTF8", application_name="dynsync", **mode)


def unreachable(error: psycopg.Error, shown: str) -> FailError:
    """No connection: a login that was refused, or no way to the server. libpq's messages hold no password."""
    said = " ".join(str(error).split())[:500]
    if any(word in said for word in _LOGIN):
        return AuthenticationError(
            f"{shown} refused the login: {said}; correct user and password in the secret, or the server's rules"
        )
    return SourceError(
        f"{shown} cannot be reached: {said}; check host, port and database in the secret, the network and its firewall"
    )
