"""One instance: takes what is on the queue, the product's way or the plain one, and says what it cost.

`python -m bench.realtime.instance {ours,peer,nothing} MESSAGES SLOTS` with the settings in the environment.
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

import requests

from bench.realtime.peer import Peer
from bench.realtime.receivers import Receiving
from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from shared.values.messages import ReceivedMessage
from shared.wiring import LocalApp

Take = Callable[[ReceivedMessage], None]


def main(kind: str, messages: int, slots: int) -> None:
    """Take so many messages, then say in JSON what it took."""
    done = threading.Semaphore(0)
    waits_s: list[float] = []
    first, last = [0.0], [0.0]

    def timed(take: Take) -> Take:
        def taken(message: ReceivedMessage) -> None:
            first[0] = first[0] or time.monotonic()
            take(message)
            last[0] = time.monotonic()
            if message.enqueued_at:
                waits_s.append((datetime.now(UTC) - message.enqueued_at).total_seconds())
            done.release()

        return taken

    with _taker(kind) as (take, calls):
        print("ready", flush=True)
        receivers = Receiving(timed(take), os.environ["DYNSYNC_BUS"], slots=slots)
        for _ in range(messages):
            done.acquire()
        cpu_s, wall_s = time.process_time(), last[0] - first[0]
        told = {"cpu_s": cpu_s, "wall_s": wall_s, "calls": calls(), "p50_s": 0.0, "p95_s": 0.0}
        cuts = quantiles(waits_s, n=20)
        told |= {"p50_s": cuts[9], "p95_s": cuts[18]}
        print("told " + json.dumps(told), flush=True)
        receivers.close()


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
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
