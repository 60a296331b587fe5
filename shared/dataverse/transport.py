"""Requests to one environment: tokens, retries, limits, counters. Every request of the product passes here."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from types import TracebackType
from typing import Self

from shared import log
from shared.dataverse.auth import TokenSource
from shared.dataverse.connection import Connection, NoAnswerError, Request
from shared.dataverse.error_dictionary import Reaction, reaction_to
from shared.dataverse.pauses import PausePolicy, is_definite, retry_after_s
from shared.dataverse.refusals import is_web_page, request_id_of
from shared.dataverse.reply import REPLY_LIMIT_BYTES, Reply
from shared.dataverse.required import required
from shared.dataverse.service_url import parse_service_url
from shared.dataverse.throughput.controller import MOST
from shared.dataverse.throughput.lanes import Lane, Lanes, LaneUse, Visit
from shared.dataverse.throughput.told import told
from shared.dataverse.timeouts import READ_S
from shared.dataverse.tries import Tries
from shared.errors import DestinationError
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

type Inner = Callable[[Reply], Sequence[Reply]]


def _nothing_inside(reply: Reply) -> Sequence[Reply]:
    """An answer that holds no others."""
    return ()


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What was sent so far. `throttled_s`: the pauses that the service asked for, added up."""

    requests: int = 0
    throttled: int = 0
    retries: int = 0
    throttled_s: float = 0.0


class Transport:
    """Connections to one environment, with one credential or several that share the work. Thread-safe.

    `timeout_s` bounds each request as a whole; `parallel` caps the requests at a time, of all
    credentials together; `verify` is what requests takes: True, or the path of a bundle of certificates. `jitter` gives
    numbers from 0 to 1.
    """

    def __init__(
        self,
        service_url: str,
        tokens: TokenSource | Sequence[TokenSource],
        *,
        timeout_s: float = 300,
        parallel: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Clock = lambda: datetime.now(UTC),
        verify: bool | str = True,
        jitter: Callable[[], float] = random.random,
        pauses: PausePolicy | None = None,
        reply_limit_bytes: int = REPLY_LIMIT_BYTES,
    ) -> None:
        self.service = parse_service_url(service_url)
        self.timeout_s = timeout_s
        self.permit: Callable[[], None] = lambda: None
        """Called before each request that may write; what it raises keeps the request from being sent."""
        self.starting: Callable[[], None] = lambda: None
        """Called before every request, likewise."""
        self.parallel_cap = parallel
        self._sleep, self._clock, self._jitter = sleep, clock, jitter
        self._pauses = pauses or PausePolicy()
        sources = tokens if isinstance(tokens, Sequence) else [tokens]
        most = min(parallel or MOST, MOST)

        def lane(source: TokenSource) -> Lane:
            connection = Connection(
                timeout_s=timeout_s, pool=most, clock=clock, verify=verify, reply_limit_bytes=reply_limit_bytes
            )
            return Lane(source, connection, most=most)

        self._lanes = Lanes(
            [lane(source) for source in sources], most=parallel or MOST * len(sources), clock=clock, sleep=sleep
        )
        self._lock = threading.Lock()
        self._counts = RequestCounts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._lanes.close()

    @property
    def requests(self) -> RequestCounts:
        """The counters as they stand."""
        return self._counts

    @property
    def parallelism_hint(self) -> int | None:
        """How many requests at a time the service recommends (`x-ms-dop-hint`), or None while it has not said."""
        return self._lanes.hint

    @property
    def useful(self) -> int:
        """How many requests at a time make sense now, over all credentials."""
        return self._lanes.useful

    def uses(self) -> list[LaneUse]:
        """What each credential has used so far."""
        return self._lanes.uses()

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
        self,
        method: str,
        path: str,
        *,
        body: bytes | None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool,
        rows: int = 0,
        inner: Inner = _nothing_inside,
        timeout_s: float | None = None,
    ) -> Reply:
        """Send a request and give the service's last word, a refusal too; no answer at all raises as `send` does.

        `rows` is the number of rows that a bulk call writes: how fast they go decides how many calls run at a time.
        `inner` finds, in an answer that holds several, those that say a limit is reached: the credential rests then.
        `timeout_s` is what the request may take, where the definition allows more.
        """
        content = _FRESH if method == "GET" else _JSON if body is not None else {}
        every = {**_STANDARD_HEADERS, **content, **(headers or {})}
        kind_s = timeout_s or (READ_S if method == "GET" else None)
        request = Request(method, self.service.resolve(path), body, every, repeatable, kind_s)
        tries = Tries(request, self.service.origin, self._pauses, self._jitter, began=self._clock())
        while True:
            reply = self._attempt(request, tries, rows, inner)
            if reply is not None:
                return replace(reply, in_doubt=True) if tries.in_doubt else reply

    def wait(self, seconds: float) -> None:
        """Wait before something is sent again; counted."""
        self._count(retries=1)
        log.event(
            _logger,
            "request.repeated",
            level=logging.DEBUG,
            service=self.service.origin,
            pause_s=round(seconds, 1),
        )
        self._sleep(seconds)

    def now(self) -> datetime:
        """The present time, by the clock that was given."""
        return self._clock()

    def backoff_s(self, attempt: int) -> float:
        """The pause before repeat `attempt` (from 1), in seconds."""
        return self._pauses.backoff_s(attempt, self._jitter)

    def _attempt(self, request: Request, tries: Tries, rows: int, inner: Inner) -> Reply | None:
        """Send once. A reply that stands, or None when it was decided (and waited) to send again."""
        visit = self._lanes.enter(tries.may_rest)
        try:
            self.starting()
            token = visit.lane.tokens.token()
            if request.method != "GET":
                self.permit()
            self._count(requests=1)
            reply = visit.lane.connection.exchange(request, token)
        except NoAnswerError as failure:
            self._lanes.abandoned(visit)
            self._wait_unanswered(tries.no_answer(failure, self._clock()), tries)
            return None
        except BaseException:
            self._lanes.abandoned(visit)
            raise
        if reply.status == 429:
            self._throttled(visit, reply, tries)
            return None
        self._lanes.answered(visit, reply.headers, 0 if reply.refused else rows)
        self._throttled_within(visit, reply, inner(reply))
        return self._believed(reply) if reply.status < 300 else self._after_refusal(visit.lane, token, reply, tries)

    def _believed(self, reply: Reply) -> Reply:
        """A success, unless it is a page for people: then something else than the service has answered."""
        if is_web_page(reply.headers, reply.body):
            raise DestinationError(
                f"{self.service.origin} answered with a web page (a login or proxy page?), not as the Web API does; "
                "check the service URL"
            )
        return reply

    def _throttled(self, visit: Visit, reply: Reply, tries: Tries) -> None:
        """A limit is reached. The lane rests; the request goes on another one, or waits with it."""
        pause_s = tries.throttled(reply, self._clock(), visit.lane.tokens)
        rest_s = self._lanes.throttled(visit, told(reply.refusal, pause_s))
        self._count(retries=1)
        self._tell_throttled(pause_s, reply)
        tries.keep_to(rest_s, reply, self._clock())

    def _throttled_within(self, visit: Visit, reply: Reply, refused: Sequence[Reply]) -> None:
        """A limit is reached within a batch. The lane rests as long as the longest pause that is asked for."""
        if not refused:
            return
        named = [(retry_after_s(one.headers, self._clock()), one) for one in refused]
        pauses = [(self._pauses.throttled_s(1, named_s), one) for named_s, one in named]
        pause_s, longest = max(pauses, key=itemgetter(0))
        pause_s = min(pause_s, self._pauses.throttled_total_s)
        self._lanes.throttled_within(visit, told(longest.refusal, pause_s))
        self._tell_throttled(pause_s, reply)

    def _tell_throttled(self, pause_s: float, reply: Reply) -> None:
        self._count(throttled=1, throttled_s=pause_s)
        log.event(
            _logger,
            "service.throttled",
            level=logging.WARNING,
            service=self.service.origin,
            pause_s=round(pause_s, 1),
            request=request_id_of(reply.headers),
        )

    def _after_refusal(self, lane: Lane, token: str, reply: Reply, tries: Tries) -> Reply | None:
        if reply.status < 400:
            raise self._redirected(reply)
        log.event(
            _logger,
            "request.refused",
            level=logging.DEBUG,
            status=reply.status,
            code=reply.refusal.code,
            request=request_id_of(reply.headers),
        )
        if reply.status == 401 or reaction_to(reply.refusal) is Reaction.RENEW:
            tries.unauthorised(reply, lane.tokens)
            self._count(retries=1)
            if lane.tokens.token() == token:
                lane.tokens.renew()
        elif not is_definite(reply):
            self._wait_unanswered(tries.not_now(reply, self._clock()), tries, reply)
        else:
            pause_s = tries.definite(reply)
            if pause_s is None:
                return reply
            self.wait(pause_s)
        return None

    def _wait_unanswered(self, seconds: float, tries: Tries, reply: Reply | None = None) -> None:
        """Wait after no answer, or after one that says "not now", and let it be seen."""
        log.event(
            _logger,
            "service.unanswered",
            level=logging.WARNING,
            service=self.service.origin,
            status=reply.status if reply else None,
            attempt=tries.unanswered,
            pause_s=round(seconds, 1),
            request=request_id_of(reply.headers) if reply else None,
        )
        self.wait(seconds)

    def _redirected(self, reply: Reply) -> DestinationError:
        return DestinationError(
            f"{self.service.origin} redirects to another address (status {reply.status}); redirects are never "
            "followed, for a token would travel along. Check the service URL",
            request_id=request_id_of(reply.headers),
        )

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
