"""What goes on behind the requests: late writes, asynchronous steps, webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from threading import Condition
from typing import Any


class Background:
    """The work that no request waits for, on the server's event loop; `broken` are errors that nobody expected.
    `wait_until_idle` may be asked in any thread."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = Condition()
        self.broken: list[BaseException] = []

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts a piece of work; called on the event loop."""
        task = asyncio.get_running_loop().create_task(work)
        with self._changed:
            self._tasks.add(task)
        task.add_done_callback(self._ended)

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Waits until there is none; whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks, timeout_s)

    def _ended(self, task: asyncio.Task[None]) -> None:
        with self._changed:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self.broken.append(error)
            self._changed.notify_all()
