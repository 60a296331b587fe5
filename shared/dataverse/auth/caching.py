"""A bearer token is fetched once and used for as long as it is good."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from shared.dataverse.auth.answers import Token
from shared.ports import Clock


class CachedTokens(ABC):
    """Tokens of one identity for one environment, renewed before they end. Thread-safe: one fetches, others wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None

    def token(self) -> str:
        """The cached token, renewed five minutes before it ends.

        Raises:
            AuthenticationError: the credentials or the identity are refused.
            ThrottledError: we are asked for longer pauses than are kept.
            UnavailableError: who gives tokens cannot be reached.
        """
        with self._lock:
            if self._token is None or self._clock() >= self._token.renew_at:
                self._token = self._fetch()
            return self._token.text

    def renew(self) -> str:
        """Forget the cached token and fetch a new one; raises as `token` does."""
        with self._lock:
            self._token = self._fetch()
            return self._token.text

    @abstractmethod
    def _fetch(self) -> Token:
        """Ask for a token; raises as `token` does."""
