"""Every call of a function goes through here: it is logged, counted, and ended when it takes too long."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from local.host.engine import Engine
from local.host.messages import TypedData
from local.host.refusals import InvocationError, OverdueError

_log = logging.getLogger("host")


class Calls:
    """Calls functions in the engine's event loop.

    `overdue` is told the function that ran longer than `timeout`: a thread cannot be ended, so the whole worker has to
    be started anew, as Azure does.
    """

    def __init__(self, engine: Engine, timeout: timedelta | None, overdue: Callable[[str], None]) -> None:
        self._engine = engine
        self._timeout_s = timeout.total_seconds() if timeout else None
        self._overdue = overdue
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def running(self) -> int:
        """How many calls have not returned."""
        return len(self._running)

    async def call(
        self, name: str, value: TypedData, metadata: Mapping[str, TypedData] | None = None, *, reason: str
    ) -> Any:
        """What the function returned.

        Raises:
            InvocationError: it raised; its stack is logged.
            OverdueError: it took longer than the app's `functionTimeout`.
        """
        call, began = str(uuid.uuid4()), time.monotonic()
        _log.info("function.called name=%s reason=%s call=%s", name, reason, call)
        task = asyncio.create_task(self._engine.invoke(name, value, metadata, call=call))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            returned = await asyncio.wait_for(asyncio.shield(task), self._timeout_s)
        except TimeoutError:
            task.add_done_callback(_seen)
            _log.error("function.overdue name=%s after_s=%g call=%s", name, self._timeout_s or 0, call)
            self._overdue(name)
            raise OverdueError(f"{name} ran longer than functionTimeout") from None
        except InvocationError as error:
            _log.error("function.failed name=%s call=%s error=%s\n%s", name, call, error, error.trace.rstrip())
            raise
        _log.info("function.returned name=%s ms=%d call=%s", name, (time.monotonic() - began) * 1000, call)
        return returned

    async def drain(self, grace_s: float) -> int:
        """Wait until every call has returned, at most so long; how many are left."""
        if self._running:
            await asyncio.wait(set(self._running), timeout=grace_s)
        return self.running


def _seen(task: asyncio.Task[Any]) -> None:
    """A call that ends after its time is up; nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
