"""A request whose time is up ends, wherever it stands, and no other one does."""

from __future__ import annotations

import contextlib
import socket
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
