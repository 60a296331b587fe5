"""A request whose time is up ends, wherever it stands, and no other one does."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass

import pytest
import urllib3

from shared.dataverse.deadlines import Deadlines


@dataclass
class Line:
    sock: socket.socket | None


@pytest.fixture
def lines():
    """Two ends of a line; nobody ever says anything on it."""
    near, far = socket.socketpair()
    near.settimeout(30)
    yield near
    near.close()
    far.close()


def test_a_line_is_cut_when_time_is_up(lines):
    """Who waits on it meets its end; a request with more time, begun before, goes on."""
    deadlines = Deadlines()
    with deadlines.within(300) as long:
        with deadlines.within(0.0) as deadline, contextlib.suppress(urllib3.exceptions.ConnectTimeoutError):
            deadlines.note(Line(lines))
            assert lines.recv(1) == b""
        assert deadline.over
        assert not long.over
    deadlines.close()


def test_a_line_that_comes_too_late_sends_nothing():
    """The time passed while the connection was made: the request ends before it was sent."""
    deadlines = Deadlines()
    with deadlines.within(300) as deadline:
        deadlines.note(Line(None))
        deadline.cut()
        with pytest.raises(urllib3.exceptions.ConnectTimeoutError):
            deadlines.note(Line(None))
    deadlines.close()


def test_a_line_that_was_given_back_is_left_alone(lines):
    """What ended in time is never cut: its line may carry another's request."""
    deadlines = Deadlines()
    with deadlines.within(300) as deadline:
        deadlines.note(Line(lines))
    deadline.cut()
    assert lines.send(b"x") == 1
    deadlines.close()


def test_an_encrypted_line_is_cut_below_its_encryption():
    """Its own way takes the encryption off before it cuts: what is written at that moment would go out plain."""

    class Encrypted(socket.socket):
        def shutdown(self, how: int) -> None:
            raise AssertionError

    ours, far = socket.socketpair()
    near = Encrypted(fileno=ours.detach())
    deadlines = Deadlines()
    with near, far, deadlines.within(300) as deadline:
        deadlines.note(Line(near))
        deadline.cut()
        assert far.recv(1) == b""
    deadlines.close()


def test_a_line_that_left_its_socket_to_the_reply_is_cut(lines):
    """So it is with a reply that says "Connection: close"."""
    deadlines, line = Deadlines(), Line(lines)
    with deadlines.within(300) as deadline:
        deadlines.note(line)
        line.sock = None
        deadline.cut()
        assert lines.recv(1) == b""
    deadlines.close()


def test_a_thread_that_cannot_be_had_is_tried_for_again(lines, monkeypatch):
    """The request fails; the next one is watched."""
    deadlines, start = Deadlines(), threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(RuntimeError), deadlines.within(300):
        raise AssertionError
    monkeypatch.setattr(threading.Thread, "start", start)
    with deadlines.within(0.0) as deadline, contextlib.suppress(urllib3.exceptions.ConnectTimeoutError):
        deadlines.note(Line(lines))
        assert lines.recv(1) == b""
    assert deadline.over
    deadlines.close()


def watchers() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "dynsync-deadlines"]


def test_nobody_watches_where_there_is_nothing_to_watch():
    """The thread ends by itself, also of what is never closed; the next request is watched again."""
    before, deadlines = watchers(), Deadlines(idle_s=0.01)
    for _ in range(2):
        near, far = socket.socketpair()
        with near, far, deadlines.within(0.02) as deadline:
            (watcher,) = set(watchers()) - set(before)
            with contextlib.suppress(urllib3.exceptions.ConnectTimeoutError):
                deadlines.note(Line(near))
                assert near.recv(1) == b""
        assert deadline.over
        watcher.join(5)
        assert not watcher.is_alive()
