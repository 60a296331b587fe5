"""Requests to one environment: token, retries, limits, counters. Every request of the product passes here."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from shared import log
from shared.dataverse.auth import TokenSource
from shared.dataverse.connection import Connection, NoAnswerError, Request
from shared.dataverse.error_dictionary import Reaction, in_plain_words, reaction_to
from shared.dataverse.pauses import UNAVAILABLE, PausePolicy, is_definite, repeats_allowed, retry_after_s
from shared.dataverse.refusals import is_web_page, request_id_of
from shared.dataverse.reply import REPLY_LIMIT_BYTES, Reply
from shared.dataverse.service_url import parse_service_url
from shared.errors import AuthenticationError, DestinationError, FailError, RetryError, ThrottledError, UnavailableError
from shared.ports import Clock

_logger = logging.getLogger(__name__)
_STANDARD_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "OData-MaxVersion": "4.0",
    "OData-Version": "4.0",
    "User-Agent": "dynamics-sync",
}
_FRESH = {"If-None-Match": "null"}
"""The literal word; Microsoft recommends it against stale expanded rows."""
_JSON = {"Content-Type": "application/json; charset=utf-8"}
_HINT_LIMIT = 1000
_NO_USER = frozenset({"0x80072560", "0x80040225"})
"""The application is no user of the environment, or a disabled one."""


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What was sent so far. `throttled_s` is the time spent waiting because the service asked for it."""

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    throttled_s: float = 0.0


@dataclass(slots=True)
class _Tries:
    """What one request has been through."""

    renewed: bool = False
    in_doubt: bool = False
    unanswered: int = 0
    refused: int = 0
    throttled: int = 0
    throttled_s: float = 0.0


class Transport:
    """A pooled connection to one environment. Thread-safe.

    `timeout_s` bounds the wait for an answer and the reading of it; `pool` the connections kept; `verify` is what
    requests takes: True, or the path of a bundle of certificates. `jitter` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        service_url: str,
        tokens: TokenSource,
        *,
        timeout_s: float = 300,
        pool: int = 16,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = lambda: datetime.now(UTC),
        verify: bool | str = True,
        jitter: Callable[[], float] = random.random,
        pauses: PausePolicy | None = None,
        reply_limit_bytes: int = REPLY_LIMIT_BYTES,
    ) -> None:
        self.service = parse_service_url(service_url)
        self.timeout_s = timeout_s
        self._tokens, self._sleep, self._clock, self._jitter = tokens, sleep, clock, jitter
        self._pauses = pauses or PausePolicy()
        self._connection = Connection(
            timeout_s=timeout_s, pool=pool, clock=clock, verify=verify, reply_limit_bytes=reply_limit_bytes
        )
        self._lock = threading.Lock()
        self._counts = RequestCounts()
        self._hint: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._connection.close()

    @property
    def requests(self) -> RequestCounts:
        """The counters as they stand."""
        return self._counts

    @property
    def parallelism_hint(self) -> int | None:
        """How many requests at a time the service recommends (`x-ms-dop-hint`), or None while it has not said."""
        return self._hint

    def get(self, path_or_url: str, *, headers: Mapping[str, str] | None = None) -> Reply:
        """Read a path below the service root, or a link that the service gave.

        Raises:
            DestinationError: the service refused, or the link leads elsewhere.
            AuthenticationError: the credentials were refused.
            ThrottledError: the service asked for longer pauses than are kept.
            UnavailableError: there was no answer.
        """
        return required(self.exchange("GET", path_or_url, body=None, headers=headers, repeatable=True))

    def send(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str] | None = None, repeatable: bool
    ) -> Reply:
        """Send a request and require that it is accepted; raises as `get` does.

        Raises:
            UnavailableError: there was no answer; `maybe_done` when a request that is not repeatable may have been
                carried out.
        """
        return required(self.exchange(method, path, body=body, headers=headers, repeatable=repeatable))

    def exchange(
        self, method: str, path: str, *, body: bytes | None, headers: Mapping[str, str] | None = None, repeatable: bool
    ) -> Reply:
        """Send a request and give the service's last word, a refusal too; no answer at all raises as `send` does."""
        content = _FRESH if method == "GET" else _JSON if body is not None else {}
        every = {**_STANDARD_HEADERS, **content, **(headers or {})}
        request = Request(method, self.service.resolve(path), body, every, repeatable)
        tries = _Tries()
        while True:
            reply = self._attempt(request, tries)
            if reply is not None:
                return reply

    def wait(self, seconds: float, *, throttled: bool = False) -> None:
        """Wait before something is sent again; counted."""
        self._count(retries=1, throttled=int(throttled), throttled_s=seconds if throttled else 0.0)
        name, level = ("service.throttled", logging.WARNING) if throttled else ("request.repeated", logging.DEBUG)
        log.event(_logger, name, level=level, service=self.service.origin, pause_s=round(seconds, 1))
        self._sleep(seconds)

    def _wait_unanswered(self, seconds: float, attempt: int, status: int | None = None) -> None:
        """Wait after no answer, or after one that says "not now" (`status`), and let it be seen."""
        log.event(
            _logger,
            "service.unanswered",
            level=logging.WARNING,
            service=self.service.origin,
            status=status,
            attempt=attempt,
            pause_s=round(seconds, 1),
        )
        self.wait(seconds)

    def now(self) -> datetime:
        """The present time, by the clock that was given."""
        return self._clock()

    def backoff_s(self, attempt: int) -> float:
        """The pause before repeat `attempt` (from 1), in seconds."""
        return self._pauses.backoff_s(attempt, self._jitter)

    def _attempt(self, request: Request, tries: _Tries) -> Reply | None:
        """Send once. A reply that stands, or None when it was decided (and waited) to send again."""
        token = self._tokens.token()
        try:
            reply = self._once(request, token)
        except NoAnswerError as failure:
            self._after_no_answer(request, tries, failure)
            return None
        if reply.status < 300:
            return self._believed(reply)
        return self._after_refusal(request, tries, reply, token)

    def _believed(self, reply: Reply) -> Reply:
        """A success, unless it is a page for people: then something else than the service has answered."""
        if is_web_page(reply.headers, reply.body):
            raise DestinationError(
                f"{self.service.origin} answered with a web page (a login or proxy page?), not as the Web API does; "
                "check the service URL"
            )
        return reply

    def _after_refusal(self, request: Request, tries: _Tries, reply: Reply, token: str) -> Reply | None:
        if reply.status < 400:
            raise self._redirected(reply)
        if reply.status == 401 or reaction_to(reply.refusal) is Reaction.RENEW:
            self._after_unauthorised(tries, reply, token)
        elif reply.status == 429:
            self._after_throttling(tries, reply)
        elif not is_definite(reply):
            self._after_not_now(request, tries, reply)
        else:
            return self._after_definite(request, tries, reply)
        return None

    def _after_unauthorised(self, tries: _Tries, reply: Reply, token: str) -> None:
        if tries.renewed:
            raise AuthenticationError(
                f"{self.service.origin} refused a fresh token ({reply.refusal}); check that the credentials belong to "
                "this environment's tenant and that the service URL is right"
            )
        tries.renewed = True
        self._count(retries=1)
        if self._tokens.token() == token:
            self._tokens.renew()

    def _after_throttling(self, tries: _Tries, reply: Reply) -> None:
        tries.throttled += 1
        pause_s = self._pauses.throttled_s(tries.throttled, retry_after_s(reply.headers, self._clock()))
        spent_s = tries.throttled_s + pause_s
        if spent_s > self._pauses.throttled_total_s or tries.throttled > self._pauses.throttled_attempts:
            raise self._throttled_for_too_long(tries, reply, pause_s)
        tries.throttled_s = spent_s
        self.wait(pause_s, throttled=True)

    def _throttled_for_too_long(self, tries: _Tries, reply: Reply, pause_s: float) -> ThrottledError | UnavailableError:
        message = (
            f"{self.service.origin} asks for a pause of {pause_s:.0f} s after {tries.throttled_s:.0f} s of pauses "
            f"({reply.refusal}); lower `parallel` or run at another time"
        )
        if tries.in_doubt:
            return UnavailableError(message, maybe_done=True)
        return ThrottledError(message, retry_after_s=pause_s)

    def _after_not_now(self, request: Request, tries: _Tries, reply: Reply) -> None:
        tries.unanswered += 1
        tries.in_doubt |= request.method != "GET"
        if not request.repeatable or tries.unanswered > self._pauses.attempts:
            raise UnavailableError(
                f"{self.service.origin} is not available ({reply.refusal}) after {tries.unanswered} attempt(s)",
                maybe_done=tries.in_doubt,
            )
        named_s = retry_after_s(reply.headers, self._clock()) or 0.0
        pause_s = max(min(named_s, self._pauses.longest_s), self.backoff_s(tries.unanswered))
        self._wait_unanswered(pause_s, tries.unanswered, reply.status)

    def _after_definite(self, request: Request, tries: _Tries, reply: Reply) -> Reply | None:
        tries.refused += 1
        if not request.repeatable or tries.refused > repeats_allowed(reply):
            return reply
        self.wait(self.backoff_s(tries.refused))
        return None

    def _after_no_answer(self, request: Request, tries: _Tries, failure: NoAnswerError) -> None:
        tries.unanswered += 1
        tries.in_doubt |= failure.sent and request.method != "GET"
        if (tries.in_doubt and not request.repeatable) or tries.unanswered > self._pauses.attempts:
            raise UnavailableError(
                f"no answer from {self.service.origin} after {tries.unanswered} attempt(s): {failure}",
                maybe_done=tries.in_doubt,
            ) from None
        self._wait_unanswered(self.backoff_s(tries.unanswered), tries.unanswered)

    def _redirected(self, reply: Reply) -> DestinationError:
        return DestinationError(
            f"{self.service.origin} redirects to another address (status {reply.status}); redirects are never "
            "followed, for a token would travel along. Check the service URL",
            request_id=request_id_of(reply.headers),
        )

    def _once(self, request: Request, token: str) -> Reply:
        self._count(requests=1)
        reply = self._connection.exchange(request, token)
        self._note_hint(reply.headers)
        return reply

    def _note_hint(self, headers: Mapping[str, str]) -> None:
        text = headers.get("x-ms-dop-hint", "")
        if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _HINT_LIMIT:
            self._hint = int(text[:6])

    def _count(self, *, requests: int = 0, throttled: int = 0, retries: int = 0, throttled_s: float = 0.0) -> None:
        with self._lock:
            now = self._counts
            self._counts = replace(
                now,
                requests=now.requests + requests,
                throttled=now.throttled + throttled,
                retries=now.retries + retries,
                throttled_s=now.throttled_s + throttled_s,
            )


def required(reply: Reply) -> Reply:
    """The reply, when the service did what was asked.

    Raises:
        DestinationError: it refused; in plain words, with code and request id.
        AuthenticationError: the identity may not use the environment.
    """
    if not reply.refused:
        return reply
    raise refused(reply)


def refused(reply: Reply) -> FailError | RetryError:
    """The error for a refusal that ends what was going on."""
    refusal = reply.refusal
    if reaction_to(refusal) is Reaction.RETRY or reply.status in UNAVAILABLE:
        return UnavailableError(in_plain_words(refusal))
    if refusal.code in _NO_USER:
        return AuthenticationError(in_plain_words(refusal))
    return DestinationError(in_plain_words(refusal), code=refusal.code, request_id=refusal.request_id)
