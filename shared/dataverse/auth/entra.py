"""Tokens from Entra: who we are towards Dataverse.

A proof goes to a known Entra authority or to one that the operator named, and to no other.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlencode, urlsplit

from shared import log
from shared.dataverse.auth.answers import Token, read_token
from shared.dataverse.auth.authority import (
    DEFAULT_AUTHORITY,
    KNOWN_AUTHORITIES,
    allowed_authority,
    checked_tenant,
    origin_of,
)
from shared.dataverse.auth.caching import CachedTokens
from shared.dataverse.auth.proofs import Application, ClientSecret
from shared.dataverse.connection import Connection, NoAnswerError, Request
from shared.dataverse.pauses import PausePolicy, retry_after_s
from shared.dataverse.reply import Reply
from shared.dataverse.service_url import parse_service_url
from shared.dataverse.sign_in_pauses import SignInPauses
from shared.errors import AuthenticationError
from shared.ports import Clock

_logger = logging.getLogger(__name__)
_TIMEOUT_S = 30
_REPLY_LIMIT_BYTES = 1024 * 1024
_FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_AUTHORIZATION_URI = re.compile(r"authorization_uri\s*=\s*\"?([^\s,\"]+)", re.IGNORECASE)

ReadApplication = Callable[[bool], Application]
"""Reads the application's credentials: as they are remembered or, for True, as their home has them now."""


class EntraTokens(CachedTokens):
    """OAuth client credentials: one application, one environment.

    Credentials that Entra refuses are read once more; when they have changed since, they are tried. `verify` is what
    requests takes.

    Raises:
        NotAllowedError: the authority is not a known one and not in `allowed_authorities`.
        AuthenticationError: the tenant is none, or the credentials cannot be read.
    """

    def __init__(
        self,
        read: ReadApplication,
        service_url: str,
        authority: str = DEFAULT_AUTHORITY,
        *,
        clock: Clock,
        allowed_authorities: Iterable[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        verify: bool | str = True,
        pauses: PausePolicy | None = None,
    ) -> None:
        super().__init__(clock)
        self._pauses = pauses or PausePolicy()
        self._allowed = KNOWN_AUTHORITIES | {origin_of(url) for url in allowed_authorities}
        self._authority = allowed_authority(authority, self._allowed)
        self._read = read
        self._application = self._checked(read(False))
        self._learned_tenant: str | None = None
        self._service = parse_service_url(service_url)
        self._sleep = sleep
        self._connection = Connection(
            timeout_s=_TIMEOUT_S, pool=1, clock=clock, verify=verify, reply_limit_bytes=_REPLY_LIMIT_BYTES
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(for {self._service.origin})"

    def _fetch(self) -> Token:
        tenant = self._tenant()
        try:
            return self._ask_for_token(tenant)
        except AuthenticationError:
            renewed = self._checked(self._read(True))
            if renewed == self._application:
                raise
        log.event(_logger, "credentials.renewed", service=self._service.origin)
        self._application = renewed
        return self._ask_for_token(self._tenant())

    def _tenant(self) -> str:
        """The stated tenant; else the one that the service names."""
        if self._application.tenant_id is not None:
            return self._application.tenant_id
        if self._learned_tenant is None:
            self._authority, self._learned_tenant = self._learn_tenant()
        return self._learned_tenant

    @staticmethod
    def _checked(application: Application) -> Application:
        if application.tenant_id is not None:
            checked_tenant(application.tenant_id)
        return application

    def _ask_for_token(self, tenant: str) -> Token:
        asked_at = self._clock()
        url = f"{self._authority}/{tenant}/oauth2/v2.0/token"
        client_id = self._application.client_id
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "scope": f"{self._service.origin}/.default",
            **self._application.proof.members(client_id, url, asked_at),
        }
        answer = self._answer("POST", url, form)
        return read_token(answer.status, answer.body, asked_at, self._authority)

    def _learn_tenant(self) -> tuple[str, str]:
        url = f"{self._service.root}WhoAmI"
        answer = self._answer("GET", url, None)
        found = _AUTHORIZATION_URI.search(answer.headers.get("www-authenticate", ""))
        if answer.status != 401 or found is None:
            raise AuthenticationError(
                f"the service at {self._service.origin} did not name its tenant (status {answer.status}); "
                "check the service URL, or set tenant_id"
            )
        parts = urlsplit(found[1])
        tenant = parts.path.strip("/").split("/", 1)[0]
        return allowed_authority(found[1], self._allowed), checked_tenant(tenant)

    def _answer(self, method: str, url: str, form: dict[str, str] | None) -> Reply:
        """Ask until there is an answer other than "not now"."""
        waits = SignInPauses(origin_of(url), self._clock(), self._pauses)
        while True:
            answer = self._ask(method, url, form)
            if isinstance(answer, NoAnswerError):
                self._sleep(waits.unanswered(None, self._clock(), str(answer)))
                continue
            if answer.status != 429 and answer.status < 500:
                return answer
            now = self._clock()
            named_s = retry_after_s(answer.headers, now)
            asked = named_s is not None or answer.status == 429
            self._sleep(waits.asked_to_wait(answer.status, named_s) if asked else waits.unanswered(answer.status, now))

    def _ask(self, method: str, url: str, form: dict[str, str] | None) -> Reply | NoAnswerError:
        body = urlencode(form).encode() if form else None
        try:
            return self._connection.exchange(Request(method, url, body, _FORM_HEADERS if form else {}))
        except NoAnswerError as failure:
            return failure


class ClientSecretTokens(EntraTokens):
    """Tokens by a client secret that stays the same. `tenant_id` None: learned from the service's own 401."""

    def __init__(
        self,
        tenant_id: str | None,
        client_id: str,
        client_secret: str,
        service_url: str,
        authority: str = DEFAULT_AUTHORITY,
        *,
        clock: Clock,
        allowed_authorities: Iterable[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        verify: bool | str = True,
    ) -> None:
        application = Application(tenant_id or None, client_id, ClientSecret(client_secret))
        super().__init__(
            lambda _: application,
            service_url,
            authority,
            clock=clock,
            allowed_authorities=allowed_authorities,
            sleep=sleep,
            verify=verify,
        )
