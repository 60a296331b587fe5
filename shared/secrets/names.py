"""Names of secrets, as Key Vault allows them."""

from __future__ import annotations

import re

from shared.errors import AuthenticationError

PREFIX = "DYNSYNC_SECRET_"
_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")


def checked_name(name: str) -> str:
    """The name, when it is one: letters, digits and hyphens, at most 127.

    Source: Microsoft Learn, "Azure Key Vault keys, secrets, and certificates overview", object identifiers.

    Raises:
        AuthenticationError: it is no secret's name. It may be a secret itself in the wrong place, so it is not shown.
    """
    if not _NAME.fullmatch(name):
        raise AuthenticationError(
            f"a text of {len(name)} characters stands where a secret's name is wanted: letters, digits and hyphens, "
            "at most 127; give the name of a secret, never its value"
        )
    return name


def variable_for(name: str) -> str:
    """The environment variable that carries the secret `name`.

    Two names never share a variable, since Key Vault's names know only letters (case does not count), digits and
    hyphens. Raises as `checked_name` does.
    """
    return PREFIX + checked_name(name).upper().replace("-", "_")
