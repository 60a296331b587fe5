"""Calls to hosts that a definition names: public addresses only, no redirects, within time."""

from __future__ import annotations

import socket

import pytest

from shared.errors import FailError, NotAllowedError, RetryError
from shared.outbound import call
from tests.e2e.hook import Hook, listening


@pytest.fixture
def hook() -> object:
    with listening() as made:
        yield made


def said(hook: Hook, **changed: object) -> int:
    how = {"body": b"{}", "headers": {"X-A": "b"}, "timeout_s": 5.0, "loopback": True} | changed
    return call("POST", f"{hook.url}/in?x=1", **how).status  # type: ignore[arg-type]


def test_a_call_arrives_as_it_is(hook: Hook) -> None:
    """Method, path, headers and body."""
    assert said(hook) == 204
    ((method, path, headers, body),) = hook.calls
    assert (method, path, headers["X-A"], body) == ("POST", "/in?x=1", "b", b"{}")


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.64.0.1", "::1", "fd00::1"]
)
def test_no_inner_address_is_called(hook: Hook, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the name: it is the address of the connection that counts, and nothing has been sent."""

    class Line(socket.socket):
        def getpeername(self) -> tuple[str, int]:  # type: ignore[override]
            return address, 443

    def connected(*_: object, **__: object) -> socket.socket:
        line = Line()
        line.connect(("127.0.0.1", int(hook.url.rpartition(":")[2])))
        return line

    monkeypatch.setattr("urllib3.util.connection.create_connection", connected)
    with pytest.raises(NotAllowedError, match=f"leads to {address}, which is no public address"):
        said(hook, loopback=False)
    assert hook.calls == []


def test_a_redirect_is_not_followed(hook: Hook) -> None:
    """It may lead anywhere."""
    hook.answers, hook.location = [307], "http://127.0.0.1:1/"
    with pytest.raises(FailError, match=r"redirects \(status 307\)"):
        said(hook)
    assert len(hook.calls) == 1


@pytest.mark.parametrize(("status", "kind"), [(503, RetryError), (429, RetryError), (404, FailError), (401, FailError)])
def test_a_refusal_says_whether_it_may_pass(hook: Hook, status: int, kind: type[Exception]) -> None:
    """By the status."""
    hook.answers = [status]
    with pytest.raises(kind, match=str(status)):
        said(hook)


def test_an_answer_that_never_ends_is_cut_off(hook: Hook) -> None:
    """The whole call has a time-out, not only each wait for the next byte."""
    hook.drips = True
    with pytest.raises(RetryError, match=r"no answer within 0\.3 s"):
        said(hook, timeout_s=0.3)


def test_nobody_there() -> None:
    """A refused connection may pass."""
    with pytest.raises(RetryError, match="gave no answer"):
        call("GET", "http://127.0.0.1:9/", body=None, headers={}, timeout_s=2, loopback=True)
