"""Ends requests whose time is up: a service that sends a byte now and then keeps no time-out of a single wait.

One thread watches all requests of a pool of connections, and ends when there was none for a while. When a request's
time is up, its line is cut; who waits for it meets the end of the line, and learns from `Deadline.over` why.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import urllib3

IDLE_S = 10.0


class Line(Protocol):
    """The part of a connection that is used."""

    sock: socket.socket | None


class Deadline:
    """The end of one request's time. `over`: it has passed before the request ended."""

    def __init__(self, ends_at: float) -> None:
        self.ends_at = ends_at
        self.over = False
        self._line: Line | None = None
        self._sock: socket.socket | None = None
        self._ended = False
        self._lock = threading.Lock()

    def holds_for(self, line: Line) -> None:
        """From now on the request goes over this line.

        Raises:
            urllib3.exceptions.ConnectTimeoutError: its time is up, and nothing was sent.
        """
        with self._lock:
            self._line, self._sock = line, line.sock
            if self.over:
                raise urllib3.exceptions.ConnectTimeoutError("the time of the request is up")

    def cut(self) -> None:
        """Time is up.

        A line that will not be used again gives its socket to the reply: it is remembered here. An encrypted line is
        cut below its encryption: its own way takes that off first, and what is just being written would go out plain.
        """
        with self._lock:
            if self._ended:
                return
            self.over = True
            sock = (self._line.sock if self._line is not None else None) or self._sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def ended(self) -> None:
        """The request ended; its line may be another's from now on."""
        with self._lock:
            self._ended = True
            self._line = self._sock = None


class Deadlines:
    """All requests that are under way. `clock_s` gives seconds that only grow. Thread-safe.

    The thread that watches ends after `idle_s` without a request; the next request starts another.
    """

    def __init__(self, clock_s: Callable[[], float] = time.monotonic, *, idle_s: float = IDLE_S) -> None:
        self._clock_s, self._idle_s = clock_s, idle_s
        self._changed = threading.Condition()
        self._open: set[Deadline] = set()
        self._wakes_at = float("inf")
        self._watcher: threading.Thread | None = None
        self._closed = False
        self._here = threading.local()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[Deadline]:
        """The request of this thread has so many seconds."""
        deadline = Deadline(self._clock_s() + seconds)
        self._add(deadline)
        self._here.deadline = deadline
        try:
            yield deadline
        finally:
            self._here.deadline = None
            deadline.ended()
            with self._changed:
                self._open.discard(deadline)

    def note(self, line: Line) -> None:
        """The request of this thread goes over this line; raises as `Deadline.holds_for` does."""
        deadline: Deadline | None = getattr(self._here, "deadline", None)
        if deadline is not None:
            deadline.holds_for(line)

    def ended(self) -> None:
        """The request of this thread ended, and gives its line back."""
        deadline: Deadline | None = getattr(self._here, "deadline", None)
        if deadline is not None:
            deadline.ended()

    def close(self) -> None:
        """Nothing is watched any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, deadline: Deadline) -> None:
        with self._changed:
            if self._watcher is None or self._closed:
                watcher = threading.Thread(target=self._watch, name="dynsync-deadlines", daemon=True)
                watcher.start()  # where no thread can be had, the next request tries again
                self._watcher, self._closed = watcher, False
            elif deadline.ends_at < self._wakes_at:
                self._changed.notify_all()
            self._open.add(deadline)

    def _watch(self) -> None:
        while (late := self._next()) is not None:
            for deadline in late:
                deadline.cut()

    def _next(self) -> list[Deadline] | None:
        """Those whose time is up, once there are some; None at the end, or when there was nothing to watch."""
        with self._changed:
            while not self._closed and self._watcher is threading.current_thread():
                now = self._clock_s()
                late = [deadline for deadline in self._open if deadline.ends_at <= now]
                if late:
                    self._open.difference_update(late)
                    return late
                self._wakes_at = min((deadline.ends_at for deadline in self._open), default=float("inf"))
                if not self._changed.wait(min(self._wakes_at - now, self._idle_s)) and not self._open:
                    self._watcher = None
            return None
