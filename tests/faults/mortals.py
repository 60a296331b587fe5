"""Processes that bring a job on and are killed for good: SIGKILL, at a numbered point or a moment after it.

Each is forked from a server that has imported all that a job needs, and runs no threads; so a process
costs hardly more than what it does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection

import pytest

from tests.faults.kill_stories import SMALL, go_on
from tests.faults.powercut import Clocks, Power, born, wire
from tests.faults.trials import End, Life

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "tests.faults.mortals",
        "shared.engine.jobs",
        "shared.wiring.app",
        "azure.data.tables",
        "azure.storage.blob",
        "pytest",
    ]
)
PATIENCE_S = 300
"""How long a process may be silent before the test fails."""


@dataclass(frozen=True)
class _Reached:
    """The process has come to the point where its end begins; it goes on until it is killed."""

    passed: tuple[str, ...]


def apart(life: Life) -> End:
    """One life in a process of its own."""
    here, there = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=_live, args=(life, there), daemon=True)
    process.start()
    there.close()
    try:
        told = _told(here)
        if isinstance(told, _Reached):
            process.join(life.cut.after_s if life.cut else None)
            process.kill()
            told = End((*told.passed, f"{life.cut.after_s:.3f} s later"), life.ahead_s)
        process.join(PATIENCE_S)
        assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    finally:
        process.kill()
        here.close()
    return told


def _told(here: Connection) -> End | _Reached:
    assert here.poll(PATIENCE_S), "the process says nothing"
    told = here.recv()
    assert not isinstance(told, str), told
    return told


def _live(life: Life, told: Connection) -> None:
    """In the new process."""
    power = Power()
    wire(power, setattr)
    for name, value in SMALL.items():
        pytest.MonkeyPatch().setattr(name, value)
    clocks = Clocks(life.ahead_s)

    def ends(_: str) -> None:
        if life.cut is not None and life.cut.after_s is not None:
            power.dead = False
            told.send(_Reached(tuple(power.passed)))
            return
        told.send(End(tuple(power.passed), life.ahead_s))
        os.kill(os.getpid(), signal.SIGKILL)

    power.ends = ends
    try:
        with power.flows(life.cut.at if life.cut else None):
            job = go_on(born(life.place.app(), clocks), life.mode, life.stopping)
    except BaseException:
        told.send(traceback.format_exc())
        raise
    told.send(End(tuple(power.passed), clocks.ahead_s, job))
