"""The lean adapter sends what requests' own would send, and reads the reply as it came."""

from __future__ import annotations

import pytest
import requests
from requests.adapters import HTTPAdapter

from shared.dataverse.adapter import LeanAdapter, headers_of, sealed
from tests.unit.dataverse.service import Say

HEADERS = {"Accept": "application/json", "User-Agent": "x", "Accept-Encoding": "gzip"}
PATHS = ["", "/", "/a(b='c%20d')?$filter=x eq 'é'", "/a?$skiptoken=%3Ccookie%20a=%221%22", "/a#fragment", "?a=1"]


def sent(adapter: HTTPAdapter, request: requests.PreparedRequest) -> requests.Response:
    with adapter.send(request, stream=True, timeout=5, proxies={}) as reply:
        reply.raw.read(decode_content=False)
    return reply


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"{}"), ("POST", b""), ("DELETE", None)])
def test_what_arrives_is_the_same(serve, path, method, body):
    """Method, path, query, headers and body."""
    service = serve(lambda seen: Say(204))
    plain = requests.Request(method, service.url + path, headers=HEADERS, data=body).prepare()
    plain.url = service.url + path
    sent(HTTPAdapter(max_retries=0), plain)
    sent(LeanAdapter(1), sealed(method, service.url + path, HEADERS, body))
    assert service.seen[0] == service.seen[1]


def test_connections_are_used_again_and_another_place_gets_its_own(serve):
    """One connection for one service; none is lent to another."""
    one, other = serve(lambda seen: Say(204)), serve(lambda seen: Say(200, b"other"))
    adapter = LeanAdapter(2)
    for service in (one, one, other, one, other):
        assert sent(adapter, sealed("GET", service.url + "/a", {}, None)).status_code == (
            204 if service is one else 200
        )
    assert (len(one.seen), len(other.seen)) == (3, 2)
    assert one.connections == 2
    adapter.close()
    assert sent(adapter, sealed("GET", one.url + "/a", {}, None)).status_code == 204


def test_a_header_that_came_twice_is_one(serve):
    """Names in lower case; values joined as the standard says."""
    service = serve(lambda seen: Say(204, headers={"X-One": "1", "x-One ".strip().upper(): "2"}))
    assert headers_of(sent(LeanAdapter(1), sealed("GET", service.url, {}, None)))["x-one"] == "1, 2"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", " a"])
def test_no_header_is_smuggled_in(value):
    """A value that would begin another header is refused."""
    with pytest.raises(requests.exceptions.InvalidHeader):
        sealed("GET", "http://127.0.0.1/", {"Authorization": value}, None)
