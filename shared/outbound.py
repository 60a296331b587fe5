"""Calls to hosts that a definition names: only to public addresses, never past a redirect, bounded in time and size.

A name within the operator's reach may still lead to a machine of the inner network, today or at the second look. So the
address is judged where the connection stands, before anything is sent.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from shared.errors import AuthenticationError, DynsyncError, FailError, NotAllowedError, RetryError

ANSWER_BYTES = 65_536
"""The most of an answer that is read."""
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said. `body` is cut at `ANSWER_BYTES`."""

    status: int
    body: bytes


def call(
    method: str,
    url: str,
    *,
    body: bytes | None,
    headers: Mapping[str, str],
    timeout_s: float,
    loopback: bool = False,
    verify: bool | str = True,
) -> Answer:
    """Send one request and read its answer, all within `timeout_s`. `loopback`: this machine may be called, too.

    Raises:
        NotAllowedError: the host leads to an address that is not public.
        RetryError: no answer in time, or one that says "not now".
        AuthenticationError: what signs the call is not accepted.
        FailError: another answer than success, a redirect included.
    """
    host = urlsplit(url).hostname or "the host"
    with _session(loopback=loopback) as (session, guard), guard.within(timeout_s):
        session.verify = verify
        try:
            reply = session.request(
                method,
                url,
                data=body,
                headers={"User-Agent": "dynamics-sync", **headers},
                timeout=timeout_s,
                allow_redirects=False,
                stream=True,
            )
            answer = Answer(reply.status_code, _body(reply))
        except (requests.RequestException, OSError) as error:
            raise guard.refusal(host) or RetryError(f"{host} gave no answer ({type(error).__name__})") from None
    if refusal := guard.refusal(host):
        raise refusal  # an answer that was cut off looks like a short one
    return _accepted(answer, host)


def _accepted(answer: Answer, host: str) -> Answer:
    if 300 <= answer.status < 400:
        raise FailError(f"{host} redirects (status {answer.status}); none is followed: write the last address")
    if answer.status in _PASSING:
        raise RetryError(f"{host} answered with status {answer.status}")
    if answer.status in (401, 403):
        raise AuthenticationError(f"{host} refused the call's signature or token (status {answer.status})")
    if answer.status >= 400:
        raise FailError(f"{host} refused the call (status {answer.status})")
    return answer


def _body(reply: requests.Response) -> bytes:
    read = b""
    for piece in reply.iter_content(8192):
        read += piece
        if len(read) >= ANSWER_BYTES:
            break
    return read[:ANSWER_BYTES]


class _Guard:
    """Judges connections, and cuts them when time is up: a slow answer must not hold the caller for ever."""

    def __init__(self, *, loopback: bool) -> None:
        self._loopback = loopback
        self._over_s: float | None = None
        self._refused: str | None = None
        self._connections: list[HTTPConnection] = []

    def judge(self, connection: HTTPConnection, line: socket.socket) -> None:
        address = ipaddress.ip_address(line.getpeername()[0].partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None) or address
        if not (mapped.is_global and not mapped.is_multicast) and not (self._loopback and mapped.is_loopback):
            line.close()
            self._refused = str(mapped)
            raise OSError("no public address")
        self._connections.append(connection)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._cut, [seconds])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def refusal(self, host: str) -> DynsyncError | None:
        """What the guard has to say of a call that did not end well."""
        if self._refused is not None:
            return NotAllowedError(
                f"{host} leads to {self._refused}, which is no public address",
                remedy="only public addresses may be called; correct the address or the name server",
            )
        return None if self._over_s is None else RetryError(f"{host} gave no answer within {self._over_s:g} s")

    def _cut(self, seconds: float) -> None:
        self._over_s = seconds
        for connection in self._connections:
            line = connection.sock
            if line is not None:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def _session(*, loopback: bool) -> Iterator[tuple[requests.Session, _Guard]]:
    guard = _Guard(loopback=loopback)
    with requests.Session() as session:
        session.trust_env = False  # no proxy, and no password from a file
        session.mount("https://", _Guarded(guard))
        session.mount("http://", _Guarded(guard))
        yield session, guard


class _Guarded(HTTPAdapter):
    """Connections that a guard judges once they stand."""

    def __init__(self, guard: _Guard) -> None:
        self._guard = guard
        super().__init__(max_retries=0)

    def init_poolmanager(self, *words: Any, **members: Any) -> None:
        """As requests does, with connections of our own."""
        super().init_poolmanager(*words, **members)
        guard = self._guard

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                line = super()._new_conn()
                guard.judge(self, line)
                return line

        class Secured(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                line = super()._new_conn()
                guard.judge(self, line)
                return line

        self.poolmanager.pool_classes_by_scheme = {
            "http": type("PlainPool", (HTTPConnectionPool,), {"ConnectionCls": Plain}),
            "https": type("SecuredPool", (HTTPSConnectionPool,), {"ConnectionCls": Secured}),
        }
