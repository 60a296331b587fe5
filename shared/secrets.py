"""Secrets by name, from the environment.

A secret `accounts-from-erp--client-secret` is the environment variable
`DYNSYNC_SECRET_ACCOUNTS_FROM_ERP__CLIENT_SECRET`: upper case, every hyphen an underscore, and the prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.errors import AuthenticationError

PREFIX = "DYNSYNC_SECRET_"
_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")


def variable_for(name: str) -> str:
    """The environment variable that carries the secret `name`.

    Two names never share a variable, since Key Vault's names know only letters (case does not count), digits and
    hyphens.

    Raises:
        AuthenticationError: it is no secret's name. It may be a secret itself in the wrong place, so it is not shown.
    """
    if not _NAME.fullmatch(name):
        raise AuthenticationError(
            f"a text of {len(name)} characters stands where a secret's name is wanted: letters, digits and hyphens, "
            "at most 127; give the name of a secret, never its value"
        )
    return PREFIX + name.upper().replace("-", "_")


class EnvironmentSecrets:
    """Secrets from environment variables; see `variable_for`."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def get(self, name: str) -> str:
        """The value. Raises `AuthenticationError` naming the variable to set."""
        variable = variable_for(name)
        value = self._environ.get(variable, "")
        if not value:
            state = "is empty" if variable in self._environ else "is not set"
            raise AuthenticationError(
                f"secret {name!r} was not found: set the environment variable {variable} ({state})"
            )
        return value
