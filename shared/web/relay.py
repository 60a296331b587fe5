"""Log lines of the app's own threads, told again by a call.

In Azure the host takes a line from the thread of a call only; what other threads log (those that send requests, those
that apply change messages) is lost there. So such lines are kept, and the next call that logs or ends tells them.
Source: azure-functions-python-worker, issues 1358 (2023) and 1860 (2026).
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

MOST = 1000
"""Lines that are kept at a time; of more, the newest."""


class Relay(logging.Handler):
    """Keeps the product's lines of threads that no call runs on. Safe for several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: deque[logging.LogRecord] = deque(maxlen=MOST)
        self._here = threading.local()

    def begin(self) -> None:
        """Listen to the product from now on."""
        logging.getLogger("shared").addHandler(self)

    @contextmanager
    def call(self) -> Iterator[None]:
        """A call runs on this thread; at its end it tells what is kept."""
        self._here.calls = getattr(self._here, "calls", 0) + 1
        try:
            yield
        finally:
            self._tell()
            self._here.calls -= 1

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, or tell what was said before it."""
        if getattr(self._here, "calls", 0):
            self._tell()
        else:
            self._kept.append(record)

    def _tell(self) -> None:
        with suppress(IndexError):
            while True:
                logging.getLogger().handle(self._kept.popleft())
