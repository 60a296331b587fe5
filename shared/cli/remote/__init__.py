"""The commands against a deployed app: everything by its API, with the caller's own token."""

from __future__ import annotations

from shared.cli.remote.app import RemoteApp
from shared.cli.remote.line import Line
from shared.cli.remote.token import token_of

__all__ = ["RemoteApp", "open_remote"]


def open_remote(address: str, scope: str | None) -> RemoteApp:
    """The app at an address. `scope`: what a token is asked for; without it, none is sent.

    Raises:
        RefuseError: the address is none that a token may be sent to.
    """
    return RemoteApp(Line(address, token_of(scope) if scope else None))
