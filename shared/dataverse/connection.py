"""One request, one reply, over a pooled connection. Failures of many kinds become one: no answer."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
import urllib3

from shared.dataverse.adapter import LeanAdapter, headers_of, sealed
from shared.dataverse.deadlines import Deadlines
from shared.dataverse.reply import RawBody, Reply, read_body
from shared.dataverse.timeouts import CONNECT_S
from shared.errors import DestinationError, UnavailableError
from shared.ports import Clock

_WORDS: Mapping[type[BaseException], str] = {
    urllib3.exceptions.NameResolutionError: "no such host is known",
    ConnectionRefusedError: "the connection was refused",
    urllib3.exceptions.ConnectTimeoutError: "no connection in time",
    urllib3.exceptions.ReadTimeoutError: "no reply in time",
    ConnectionResetError: "the connection was cut",
}
"""What people know under another name than the library's, the most telling first."""
_NESTED = 20


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `repeatable`: sending it twice does no harm. `timeout_s`: it may take no longer."""

    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    timeout_s: float | None = None


class NoAnswerError(Exception):
    """A connection failed. `sent`: the request may have reached the service."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Connection:
    """A pool of connections. Thread-safe.

    The adapter of `requests` is used without its session: so nothing comes from the machine's environment (proxies,
    netrc, bundles), no redirect is looked at (a session reads its body without bound), and no cookie is kept, which
    would pin a single web server with limits of its own. `timeout_s` bounds a request as a whole, from connecting to
    the reply's end, where the request has no shorter time of its own.
    """

    def __init__(
        self, *, timeout_s: float, pool: int, clock: Clock, verify: bool | str, reply_limit_bytes: int
    ) -> None:
        self._timeout_s, self._clock, self._verify = timeout_s, clock, verify
        self._reply_limit_bytes = reply_limit_bytes
        self._deadlines = Deadlines()
        self._adapter = LeanAdapter(pool, self._deadlines.note, self._deadlines.ended)

    def close(self) -> None:
        """Give the connections back."""
        self._adapter.close()
        self._deadlines.close()

    def exchange(self, request: Request, token: str | None = None) -> Reply:
        """Send, with the token if there is one, and read to the end, whatever the status.

        Raises:
            NoAnswerError: the connection failed, the reply was cut short, or it did not end in time.
            DestinationError: the certificate cannot be verified, or the reply is too large.
        """
        began = self._clock()
        timeout_s = min(request.timeout_s or self._timeout_s, self._timeout_s)
        with self._deadlines.within(timeout_s) as deadline:
            try:
                with failures_told(), self._opened(request, token, timeout_s) as response:
                    headers = headers_of(response)
                    body = self._body(response.raw, headers)
            except NoAnswerError as failure:
                raise (_too_slow(timeout_s) if deadline.over and failure.sent else failure) from None
            if deadline.over:
                raise _too_slow(timeout_s)  # a reply that was cut off may look like a short one
        return Reply(response.status_code, headers, body, (self._clock() - began).total_seconds())

    def _opened(self, request: Request, token: str | None, timeout_s: float) -> requests.Response:
        headers = request.headers if token is None else {**request.headers, "Authorization": f"Bearer {token}"}
        return self._adapter.send(
            sealed(request.method, request.url, headers, request.body),
            stream=True,
            verify=self._verify,
            proxies={},
            timeout=(min(CONNECT_S, timeout_s), timeout_s),
        )

    def _body(self, raw: RawBody, headers: Mapping[str, str]) -> bytes:
        try:
            return read_body(raw, headers, limit_bytes=self._reply_limit_bytes)
        except UnavailableError as error:
            raise NoAnswerError(str(error), sent=True) from None


def _too_slow(timeout_s: float) -> NoAnswerError:
    return NoAnswerError(f"the reply did not end within {timeout_s:g} s", sent=True)


@contextmanager
def failures_told() -> Iterator[None]:
    """Turn the library's many failures into `NoAnswerError` (or `DestinationError` for a wrong certificate)."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise _ssl_failure(error) from None
    except requests.exceptions.RequestException as error:
        raise NoAnswerError(_kind(error), sent=not _never_sent(error)) from None
    except urllib3.exceptions.HTTPError as error:
        raise NoAnswerError(_kind(error), sent=True) from None


def _ssl_failure(error: requests.exceptions.SSLError) -> Exception:
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
        return DestinationError("the service's certificate cannot be verified; check the service URL and any proxy")
    return NoAnswerError("the encrypted connection broke", sent=True)


def _never_sent(error: Exception) -> bool:
    """Whether the connection failed before a byte of the request left."""
    never = (requests.exceptions.ConnectTimeout, urllib3.exceptions.NewConnectionError)
    return any(isinstance(cause, never) for cause in _causes(error))


def _kind(error: Exception) -> str:
    """What failed, without the address (it holds filters and so field values)."""
    causes = list(_causes(error))
    for kind, words in _WORDS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return words
    return ", ".join(sorted({type(cause).__name__ for cause in _causes(error)}))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what stands behind it, as requests and urllib3 nest them."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting and len(seen) < _NESTED:
        now = waiting.pop()
        if now in seen:
            continue
        seen.append(now)
        yield now
        inner = [*now.args, getattr(now, "reason", None), now.__cause__]
        waiting.extend(cause for cause in inner if isinstance(cause, BaseException))
