"""The adapter of `requests`, without the work that a request to one service has no use for.

A bulk call carries a thousand rows; what `requests` does around it (finding the pool by the address, a jar of
cookies, a second copy of the headers, the address taken apart four times) costs as much as composing half of them.
Only what the adapter offers to its subclasses is overridden; sending, and the errors of sending, are its own.

Source: requests, "HTTPAdapter" (2.34): `get_connection_with_tls_context`, `request_url` and `build_response`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import check_header_validity
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import BaseHTTPResponse

_BODILESS = frozenset({"GET", "HEAD"})


class Opened(requests.Response):
    """A reply of which nothing but the headers was read. No cookies are looked for."""

    def __init__(self, raw: BaseHTTPResponse) -> None:
        # Not the base's own: it makes a jar of cookies and a dozen members that nobody reads.
        self._content: Any = False
        self._content_consumed = False
        self.status_code, self.raw = raw.status, raw


class LeanAdapter(HTTPAdapter):
    """Connections to one service at a time, at most `pool` of them. Thread-safe.

    `note` is called in the thread of a request, with the connection that it is about to go over; `ended` before that
    connection may be another's.
    """

    def __init__(
        self,
        pool: int,
        note: Callable[[HTTPConnection], None] = lambda line: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._note, self._ended = note, ended
        super().__init__(pool_connections=1, pool_maxsize=pool, max_retries=0)
        self._latest: tuple[str, HTTPConnectionPool] | None = None

    def init_poolmanager(self, *words: Any, **members: Any) -> None:
        """As requests does, with connections that say when a request begins to go over them."""
        super().init_poolmanager(*words, **members)
        plain, secured = _noted(HTTPConnection, self._note), _noted(HTTPSConnection, self._note)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pool(HTTPConnectionPool, plain, self._ended),
            "https": _pool(HTTPSConnectionPool, secured, self._ended),
        }

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """The pool of the latest request, when this one goes to the same place; `verify` is always the same."""
        place = _place_of(request.url or "")
        latest = self._latest
        if latest is not None and latest[0] == place and latest[1].pool is not None:
            return latest[1]
        found = cast(HTTPConnectionPool, super().get_connection_with_tls_context(request, verify, proxies, cert))
        self._latest = (place, found)
        return found

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """The path and the query of the address, as they were given."""
        url = request.url or ""
        path = url[len(_place_of(url)) :]
        return path if path.startswith("/") and "#" not in path else super().request_url(request, proxies)

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """The reply as it came."""
        return Opened(resp)


def sealed(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> requests.PreparedRequest:
    """A request as it goes out: the address as given, for a paging link must not be encoded afresh.

    Raises:
        requests.exceptions.InvalidHeader: a header would end before its time.
    """
    prepared = requests.PreparedRequest()
    prepared.method, prepared.url, prepared.body = method, url, body
    prepared.headers = CaseInsensitiveDict(headers)
    if body is not None or method not in _BODILESS:
        prepared.headers["Content-Length"] = str(len(body or b""))
    for header in prepared.headers.items():
        check_header_validity(header)
    return prepared


def headers_of(opened: requests.Response) -> dict[str, str]:
    """A reply's headers, their names in lower case; one that came several times is joined by commas."""
    return {name.lower(): value for name, value in opened.raw.headers.itermerged()}


def _noted(kind: type[HTTPConnection], note: Callable[[HTTPConnection], None]) -> type[HTTPConnection]:
    class Noted(kind):  # type: ignore[valid-type, misc]
        def connect(self) -> None:
            note(self)
            super().connect()
            note(self)

        def request(self, *words: Any, **members: Any) -> None:
            note(self)
            super().request(*words, **members)

    return Noted


def _pool(
    kind: type[HTTPConnectionPool], connection: type[HTTPConnection], ended: Callable[[], None]
) -> type[HTTPConnectionPool]:
    class Pool(kind):  # type: ignore[valid-type, misc]
        ConnectionCls = connection

        def _put_conn(self, conn: Any) -> None:
            ended()
            super()._put_conn(conn)

    return Pool


def _place_of(url: str) -> str:
    """`https://organisation.crm4.dynamics.com`, as it stands in the address."""
    return "/".join(url.split("/", 3)[:3])
