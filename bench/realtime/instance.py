"""One instance: takes what is on the queue, the product's way or the plain one, and says what it cost.

`python -m bench.realtime.instance {ours,peer,nothing} MESSAGES SLOTS [BEGINS]` with the settings in the environment.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from bench.realtime.peer import Peer
from bench.realtime.receivers import Receiving
from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from shared.engine.realtime.warm import WarmWorkspace
from shared.values.messages import ReceivedMessage
from shared.wiring import LocalApp

IDLE_S = 10.0
"""`sessionIdleTimeout` of host.json."""
ACCEPT_S = 60.0
"""As long as the host's own receivers ask for a session."""
LOADED = 0.8
"""The part of the messages during which every lane has some waiting; towards the end lane after lane runs empty."""
Take = Callable[[ReceivedMessage], None]


def main(kind: str, messages: int, slots: int, begins: int = 0) -> None:
    """Take so many messages, then say in JSON what it took; the waits of the first `begins` do not count."""
    done = threading.Semaphore(0)
    waits_s: list[float] = []
    first, last, at_load = [0.0], [0.0], 0

    def timed(take: Take) -> Take:
        def taken(message: ReceivedMessage) -> None:
            first[0] = first[0] or time.monotonic()
            take(message)
            last[0] = time.monotonic()
            if message.enqueued_at:
                waits_s.append((datetime.now(UTC) - message.enqueued_at).total_seconds())
            done.release()

        return taken

    spent = _parted() if kind == "ours" else {}
    with _taker(kind) as (take, calls):
        print("ready", flush=True)
        receivers = Receiving(timed(take), os.environ["DYNSYNC_BUS"], slots=slots, idle_s=IDLE_S, accept_s=ACCEPT_S)
        loaded = int(messages * LOADED)
        for number in range(messages):
            done.acquire()
            at_load = calls() if number + 1 == loaded else at_load
        cpu_s, wall_s = time.process_time(), last[0] - first[0]
        told = {"cpu_s": cpu_s, "wall_s": wall_s, "calls": calls(), "loaded_calls": at_load, "p50_s": 0.0, "p95_s": 0.0}
        cuts = quantiles(waits_s[begins:], n=20)
        told |= {"p50_s": cuts[9], "p95_s": cuts[18]} | spent
        print("told " + json.dumps(told), flush=True)
        receivers.close()


def _parted() -> dict[str, float]:
    """From now on, the processor seconds that the threads spend in SQL and in requests to Dataverse."""
    spent = {"sql_s": 0.0, "http_s": 0.0}
    for name, owner, method in (
        ("sql_s", WarmWorkspace, "_all"),
        ("sql_s", WarmWorkspace, "append"),
        ("http_s", HTTPAdapter, "send"),
    ):
        setattr(owner, method, _counted(getattr(owner, method), spent, name))
    return spent


def _counted(does: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    def done(*given: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return does(*given, **named)
        finally:
            spent[name] += time.thread_time() - began

    return done


@contextmanager
def _taker(kind: str) -> Iterator[tuple[Take, Callable[[], int]]]:
    """What applies a message, and how many requests it has sent."""
    if kind == "nothing":
        yield (lambda _: None), (lambda: 0)
    elif kind == "peer":
        peer = Peer(os.environ["BENCH_URL"], _token())
        yield peer.take, lambda: peer.calls
    else:
        folder = Path(os.environ["BENCH_FOLDER"])
        app = LocalApp(state=folder / "state", syncs=folder / "syncs", environ=os.environ)
        listener = app.listening.listener("story")
        yield (lambda one: app.listening.put(one).result(60)), listener.requests
        app.listening.close()


def _token() -> str:
    authority = os.environ["BENCH_AUTHORITY"]
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": authority + ".default",
    }
    reply = requests.post(f"{authority}{TENANT_ID}/oauth2/v2.0/token", data=form, timeout=30)
    return str(reply.json()["access_token"])


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
