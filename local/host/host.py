"""The host of one function app: HTTP, timers and queues around Microsoft's engine, from start to a graceful end.

loaded ──▶ started ──▶ ending: nothing new is taken, calls under way have a grace time ──▶ ended
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.host import appsettings, hostfile
from local.host.calls import Calls
from local.host.engine import Engine
from local.host.functions import TimerTrigger, Triggers, triggers
from local.host.http import PEER_HEADER, Front, Keys
from local.host.messages import TypedData
from local.host.queues import connecting
from local.host.queues.pump import Pump
from local.host.refusals import HostError, InvocationError
from local.host.timers import LATE, Monitor, after_run, first_status, value

_log = logging.getLogger("host")
NOTE_S = 0.1
SETTLE_S = 3.0
"""For messages whose function has returned, at the end."""
LOOK_S = 1.0
"""How often a host without the timers looks whether their holder is gone."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Where the app is, what opens it, and where the host keeps its own files."""

    folder: Path
    kept: Path
    keys: Keys


@dataclass(slots=True)
class Host:
    """One loaded app. `overdue` is set once a function has run longer than the app allows."""

    choices: Choices
    config: hostfile.HostFile
    engine: Engine
    triggers: Triggers
    calls: Calls
    front: Front
    overdue: asyncio.Event
    _pumps: list[Pump] = field(default_factory=list)
    _clients: dict[str, Any] = field(default_factory=dict)
    _timers: list[asyncio.Task[None]] = field(default_factory=list)
    _monitor: Monitor | None = None

    @classmethod
    async def load(cls, choices: Choices, config: hostfile.HostFile) -> Host:
        """Load the app, its settings in the environment already; nothing runs yet.

        Raises:
            HostError: the app, a trigger or a setting is wrong.
        """
        engine = await Engine.load(choices.folder)
        wanted = [one for name, one in engine.functions.items() if not config.functions or name in config.functions]
        found = triggers(wanted, os.environ, prefix=config.extensions.http.route_prefix.strip("/"))
        for queue in found.queues:
            connecting.check(queue.connection, os.environ)
        overdue = asyncio.Event()
        calls = Calls(engine, config.function_timeout, lambda _: overdue.set())
        background: set[asyncio.Task[Any]] = set()

        def start(name: str, text: str) -> bool:
            return _start(name, text, found, calls, background)

        front = Front(found.http, calls, config.extensions.http, choices.keys, start)
        return cls(choices, config, engine, found, calls, front, overdue)

    async def start(self) -> None:
        """Begin with timers and queues. HTTP is the server's, with `front`."""
        self._monitor = Monitor(self.choices.kept)
        self._timers = [asyncio.create_task(self._tick(trigger)) for trigger in self.triggers.timers]
        for trigger in self.triggers.queues:
            client = self._clients.get(trigger.connection)
            if client is None:
                client = self._clients[trigger.connection] = connecting.connect(trigger.connection, os.environ)
            pump = Pump(trigger, client, self._submitter(), self.config.extensions.service_bus)
            pump.start()
            self._pumps.append(pump)

    async def stop(self, *, grace_s: float) -> int:
        """Take nothing new, and give what is under way a grace time; how many calls are left."""
        self.front.ending = True
        for pump in self._pumps:
            pump.stop()
        left = await self.calls.drain(grace_s)
        await self._end_timers()
        for pump in self._pumps:
            await asyncio.to_thread(pump.drain, SETTLE_S)
        if self._monitor is not None:
            self._monitor.close()
        if left:
            _log.warning("host.left calls=%d; their grace time of %g s is over", left, grace_s)
        else:
            self.engine.close()
        return left

    async def _end_timers(self) -> None:
        """A timer whose function has just returned notes that first."""
        if self._timers:
            await asyncio.wait(self._timers, timeout=NOTE_S)
        for timer in self._timers:
            timer.cancel()

    # ---- queues

    def _submitter(self) -> Any:
        loop = asyncio.get_running_loop()

        def submit(name: str, given: TypedData, metadata: Mapping[str, TypedData]) -> Future[Any]:
            return asyncio.run_coroutine_threadsafe(self.calls.call(name, given, metadata, reason="message"), loop)

        return submit

    # ---- timers

    async def _tick(self, trigger: TimerTrigger) -> None:
        """One timer, for good: waits for the monitor, then runs what is due."""
        monitor = self._monitor
        if monitor is None:
            raise HostError("the host was not started")
        while not monitor.take():
            await asyncio.sleep(LOOK_S)
        status = first_status(trigger, monitor.get(trigger.name) if trigger.monitored else None, _now())
        past_due = status.next < _now()
        if past_due or trigger.on_startup:
            began = _now()  # what was missed is dealt with as of now
            await self._fire(trigger, value(status, past_due=past_due))
            status = after_run(trigger, began, _now())
        while True:
            if trigger.monitored:
                monitor.put(trigger.name, status)
            await asyncio.sleep(max(0.0, (status.next - _now()).total_seconds()))
            late = _now() - status.next > LATE
            await self._fire(trigger, value(status, past_due=late))
            status = after_run(trigger, status.next, _now())

    async def _fire(self, trigger: TimerTrigger, given: TypedData) -> None:
        if self.front.ending:
            await asyncio.Event().wait()  # until it is cancelled: nothing new begins at the end
        try:
            await self.calls.call(trigger.name, given, reason="timer")
        except InvocationError:
            return  # logged; a timer goes on


def _start(name: str, text: str, found: Triggers, calls: Calls, background: set[asyncio.Task[Any]]) -> bool:
    """Call a timer or queue function by hand, in the background; whether there is such a function."""
    timer = next((one for one in found.timers if one.name == name), None)
    queue = next((one for one in found.queues if one.name == name), None)
    if timer is not None:
        call = calls.call(name, value(first_status(timer, None, _now()), past_due=False), reason="admin")
    elif queue is not None:
        metadata = {"MessageId": TypedData(string="admin"), "UserProperties": TypedData(json="{}")}
        call = calls.call(name, TypedData(string=text), metadata, reason="admin")
    else:
        return False

    async def run() -> None:
        try:
            await call
        except InvocationError:
            return  # logged

    task = asyncio.create_task(run())
    background.add(task)
    task.add_done_callback(background.discard)
    return True


def settle_environment(settings: Path) -> None:
    """Put a file of local settings under this process's environment, which wins where it says something.

    Beside them stands the name of the header in which this host tells the app where a call comes from.
    """
    os.environ["LOCAL_HOST_PEER_HEADER"] = PEER_HEADER
    for name, text in appsettings.read(settings).items():
        if not os.environ.get(name):
            os.environ[name] = text


def _now() -> datetime:
    return datetime.now(UTC)
