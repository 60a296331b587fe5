"""SQL Server and Azure SQL through mssql-python, which brings its own driver: connection strings and connections.

Source: mssql-python, Microsoft, wiki pages on connection strings (2026).
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from shared.errors import AuthenticationError, NotBuiltError, SourceError

_LOGIN_S = 15
_PAIR = re.compile(r"\s*([A-Za-z][A-Za-z _-]*?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;{}]*)\s*(?:;|$)")
_SIGN_IN = {"uid", "user id", "user", "pwd", "password", "authentication", "trusted_connection"}


def connection_string(secret: str, *, identity: str | None, shown: str, reads: bool) -> str:
    """The secret's string, with what it leaves open: TLS, the app's identity, and, as it `reads`, that it only reads.

    Raises:
        SourceError: it is no connection string. It is not shown.
    """
    text, at, names = secret.strip().rstrip(";"), 0, set[str]()
    while at < len(text) and (pair := _PAIR.match(text, at)):
        names.add(pair[1].casefold())
        at = pair.end()
    if at < len(text) or not names & {"server", "address", "addr"}:
        raise SourceError(
            f"{shown}: the secret holds no connection string; write `Server=…;Database=…;UID=…;PWD={{…}}`, or leave "
            "UID and PWD out to sign in with the app's identity"
        )
    added = ["Encrypt=yes"] if "encrypt" not in names else []
    added += ["ApplicationIntent=ReadOnly"] if reads and "applicationintent" not in names else []
    if not names & _SIGN_IN:
        added += ["Authentication=ActiveDirectoryMSI", f"UID={identity}"] if identity else []
        added += [] if identity else ["Authentication=ActiveDirectoryDefault"]
    return ";".join([text, *added])


def connected(module: Any, text: str, shown: str) -> Any:
    """A connection in a transaction. Raises `AuthenticationError`, `SourceError`."""
    try:
        return module.connect(text, autocommit=False, timeout=_LOGIN_S)
    except module.ConnectionStringParseError:  # its message may hold a piece of the string
        raise SourceError(
            f"{shown}: the secret is no connection string that the driver takes; write Server, Database, UID and PWD "
            "(in braces when it holds `;` or `}`) by these names, and leave out what only other drivers know, such as "
            "Initial Catalog, User Id, MultipleActiveResultSets or Connection Timeout"
        ) from None
    except (module.Error, RuntimeError) as error:
        said = " ".join(str(error).split())[:500]
        if "Login failed" in said or "18456" in said:
            raise AuthenticationError(
                f"{shown} refused the login: {said}; correct the secret, or make the app's identity a user there"
            ) from None
        if "load the driver" in said:
            raise SourceError(
                f"{shown} was not asked, for the driver's own parts cannot be loaded: {said}; install libltdl7 on the "
                "machine, or set MSSQL_PYTHON_NATIVE_PROVIDER=mssql-odbc"
            ) from None
        raise SourceError(
            f"{shown} cannot be reached: {said}; check server and database in the secret, the network and its firewall"
        ) from None


def driver() -> Any:
    """The package mssql-python. Raises `NotBuiltError` where it cannot be loaded."""
    try:
        return importlib.import_module("mssql_python")  # dear to start, and an extra
    except ImportError as error:
        raise NotBuiltError(
            f"SQL Server needs the package mssql-python, which cannot be loaded here ({error}); add it to "
            "requirements.txt (and libltdl7 to the machine), or on your own machine: .venv/bin/pip install mssql-python"
        ) from None
