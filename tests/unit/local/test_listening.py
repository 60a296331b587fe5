"""The servers of the stand-ins: how they end."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from local.listening import Server, open_listener, server_settings


class Answering:
    """An application that answers when it may."""

    def __init__(self, *, may: bool) -> None:
        self.asked, self.may = threading.Event(), threading.Event()
        if may:
            self.may.set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.set()
        await asyncio.to_thread(self.may.wait, 30)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def started(application: Answering) -> tuple[Server, threading.Thread, str]:
    listener = open_listener(0, "test")
    server = Server(server_settings(application))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    return server, thread, f"http://127.0.0.1:{listener.getsockname()[1]}/"


def test_what_is_under_way_is_answered() -> None:
    """The end is told while a request waits: it has its answer, then the server is gone."""
    application = Answering(may=False)
    server, thread, url = started(application)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(requests.get, url, timeout=30)
        assert application.asked.wait(30)
        server.end()
        application.may.set()
        assert answer.result().text == "ok"
    thread.join(30)
    assert not thread.is_alive()


def test_an_idle_server_ends_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """No connection, nothing to wait for; and whoever ends it twice does no harm."""
    waited: list[float] = []
    server, thread, url = started(Answering(may=True))
    assert requests.get(url, timeout=30, headers={"Connection": "close"}).text == "ok"
    sleep = asyncio.sleep

    async def watched(seconds: float) -> None:
        waited.append(seconds)
        await sleep(seconds)

    monkeypatch.setattr(asyncio, "sleep", watched)
    server.end()
    thread.join(30)
    server.end()
    assert not thread.is_alive()
    assert sum(waited) < 0.1
