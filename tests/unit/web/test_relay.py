"""Lines of the app's own threads, which Azure does not take from them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.log import event
from shared.web.functions import Doors
from shared.web.relay import MOST, Relay
from shared.wiring.listening import Listening

_log = logging.getLogger("shared.somewhere")


class Host(logging.Handler):
    """As the host in Azure: it takes lines from the thread of a call only."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: set[int] = {threading.get_ident()}
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if threading.get_ident() in self.calls:
            self.heard.append(record.getMessage())


@pytest.fixture
def host() -> Iterator[Host]:
    made, root, product = Host(), logging.getLogger(), logging.getLogger("shared")
    before, level = list(product.handlers), root.level
    root.addHandler(made)
    root.setLevel(logging.INFO)
    yield made
    root.removeHandler(made)
    root.setLevel(level)
    product.handlers[:] = before


def elsewhere(*names: str) -> None:
    """Log from a thread that no call runs on."""
    thread = threading.Thread(target=lambda: [event(_log, name) for name in names])
    thread.start()
    thread.join()


def test_a_line_of_another_thread_is_told_by_the_call(host: Host) -> None:
    """Before the call's own next line, or at its end; each once, in its order."""
    relay = Relay()
    relay.begin()
    with relay.call():
        elsewhere("service.throttled", "service.unanswered")
        event(_log, "job.finished")
        elsewhere("listener.held")
        assert host.heard == ["service.throttled", "service.unanswered", "job.finished"]
    assert host.heard[3:] == ["listener.held"]
    with relay.call():
        pass
    assert len(host.heard) == 4


def test_without_it_the_line_is_lost(host: Host) -> None:
    """What this is for."""
    elsewhere("listener.held")
    event(_log, "job.finished")
    assert host.heard == ["job.finished"]


def test_what_is_kept_has_an_end(host: Host) -> None:
    """The newest lines are told; a flood costs no more memory."""
    relay = Relay()
    relay.begin()
    elsewhere("service.unanswered", *["service.throttled"] * MOST)
    with relay.call():
        pass
    assert host.heard == ["service.throttled"] * MOST


@pytest.mark.parametrize(("environ", "heard"), [({"WEBSITE_SITE_NAME": "func"}, 1), ({}, 0)])
def test_every_door_tells_in_azure_alone(
    environ: dict[str, str], heard: int, host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timer, queues and HTTP; elsewhere each line is told as it comes, and so not again."""
    doors = Doors(environ, base=tmp_path)
    hosted, _ = doors._open()
    told: list[int] = []

    def count(*_: Any, **__: Any) -> None:
        elsewhere("listener.held")

    async def applied(*_: Any) -> None:
        await asyncio.to_thread(elsewhere, "listener.held")

    monkeypatch.setattr(hosted, "every_minute", count)
    monkeypatch.setattr(hosted, "watch", lambda: None)
    monkeypatch.setattr(hosted, "run_job", count)
    monkeypatch.setattr(asyncio, "wrap_future", applied)
    monkeypatch.setattr(Listening, "put", lambda *_: None)
    monkeypatch.setattr("shared.web.functions._heard", lambda _: None)
    monkeypatch.setattr("shared.web.functions._received", count)
    for call in (doors.every_minute, lambda: doors.run_job(b""), lambda: asyncio.run(doors.apply_event(None))):  # type: ignore[arg-type]
        host.heard.clear()
        call()
        told.append(host.heard.count("listener.held"))
    host.heard.clear()
    with pytest.raises(AttributeError):
        doors.answer(None)  # type: ignore[arg-type]
    told.append(host.heard.count("listener.held"))
    assert told == [heard] * 4
