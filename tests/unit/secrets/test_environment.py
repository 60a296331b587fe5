"""Secrets: found by their rule, named when missing, never shown."""

from __future__ import annotations

import pytest

from shared.errors import AuthenticationError
from shared.secrets import EnvironmentSecrets, variable_for

NAME = "accounts-from-erp--client-secret"
VARIABLE = "DYNSYNC_SECRET_ACCOUNTS_FROM_ERP__CLIENT_SECRET"


def test_a_secret_is_found_by_its_variable() -> None:
    """Upper case, each hyphen an underscore, and the prefix."""
    assert variable_for(NAME) == VARIABLE
    assert EnvironmentSecrets({VARIABLE: "s3cret"}).get(NAME) == "s3cret"


@pytest.mark.parametrize(("environ", "state"), [({}, "is not set"), ({VARIABLE: ""}, "is empty")])
def test_a_missing_secret_names_the_variable_to_set(environ: dict[str, str], state: str) -> None:
    """The message says which variable to set, and shows no other secret."""
    with pytest.raises(AuthenticationError) as refused:
        EnvironmentSecrets(environ | {"DYNSYNC_SECRET_OTHER": "hidden"}).get(NAME)
    assert VARIABLE in str(refused.value)
    assert refused.value.found.endswith(f"the environment variable {VARIABLE} {state}")
    assert refused.value.remedy == "set it"
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("value", ["", "abc~DEF.123_x", "a b", "a\n", "x" * 128])
def test_a_secret_in_the_names_place_is_not_shown(value: str) -> None:
    """Whoever pastes the secret itself as its name does not find it in a message."""
    with pytest.raises(AuthenticationError, match="where a secret's name is wanted") as refused:
        EnvironmentSecrets({}).get(value)
    assert not value or value not in str(refused.value)
