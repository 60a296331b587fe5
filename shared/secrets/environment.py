"""Secrets from the environment.

A secret `accounts-from-erp--client-secret` is the environment variable
`DYNSYNC_SECRET_ACCOUNTS_FROM_ERP__CLIENT_SECRET`: upper case, every hyphen an underscore, and the prefix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.errors import AuthenticationError, NotAllowedError
from shared.secrets.names import variable_for
from shared.values.secrets import SecretState


class EnvironmentSecrets:
    """Secrets from environment variables; see `variable_for`."""

    place = "the environment"
    writable = False

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def __repr__(self) -> str:
        return "EnvironmentSecrets()"

    def get(self, name: str) -> str:
        """The value. Raises `AuthenticationError` naming the variable to set."""
        variable = variable_for(name)
        value = self._environ.get(variable, "")
        if not value:
            state = "is empty" if variable in self._environ else "is not set"
            raise AuthenticationError(
                f"secret {name!r} was not found: the environment variable {variable} {state}", remedy="set it"
            )
        return value

    def renew(self, name: str) -> str:
        """The value as it is now: nothing is kept here, so as `get` gives it."""
        return self.get(name)

    def put(self, name: str, value: str) -> None:
        """Refused: a program cannot set its starter's environment. Raises `NotAllowedError` naming the variable."""
        raise NotAllowedError(
            f"secrets are read from the environment here, which this command cannot change: set {variable_for(name)} "
            "there, or name a vault with DYNSYNC_KEY_VAULT_URL"
        )

    def states(self, names: Iterable[str]) -> Mapping[str, SecretState]:
        """Whether each is set."""
        present = {True: SecretState.SET, False: SecretState.MISSING}
        return {name.lower(): present[bool(self._environ.get(variable_for(name)))] for name in names}
