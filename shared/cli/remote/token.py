"""The caller's own token from Entra: of `az login`, of the environment, or by a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from shared.errors import AuthenticationError

_EARLY_S = 300


def token_of(scope: str) -> Callable[[], str]:
    """Gives a token for the scope, a new one when the last is about to end. Azure's libraries are loaded only then."""
    lock = threading.Lock()
    kept: list[tuple[str, float]] = []

    def token() -> str:
        with lock:
            if not kept or kept[0][1] < time.time() + _EARLY_S:
                kept[:] = [_asked(scope)]
            return kept[0][0]

    return token


def _asked(scope: str) -> tuple[str, float]:
    from azure.core.exceptions import ClientAuthenticationError
    from azure.identity import CredentialUnavailableError, DefaultAzureCredential

    try:
        with DefaultAzureCredential(exclude_interactive_browser_credential=False) as credential:
            found = credential.get_token(scope)
    except (ClientAuthenticationError, CredentialUnavailableError) as error:
        raise AuthenticationError(
            f"Entra gave no token for {scope} ({type(error).__name__})",
            remedy="sign in with `az login` and see that you may use the app",
        ) from None
    return found.token, float(found.expires_on)
