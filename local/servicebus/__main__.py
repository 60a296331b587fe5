"""`python -m local.servicebus`: runs the stand-in until it is told to stop, or until its parent is gone."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from local.listening import CannotListenError
from local.servicebus import settings
from local.servicebus.refusals import DocumentError
from local.servicebus.server import Entry, LocalServiceBus
from local.servicebus.tokens import KEY, KEY_NAME

_LOOK_EVERY_S = 1.0


def main() -> int:
    """Starts the server, says how to reach it, and waits for SIGTERM or SIGINT; SIGUSR1 prints the counters."""
    parent = os.getppid()
    given = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        queues = settings.read(given.queues) if given.queues else settings.default()
        bus = LocalServiceBus(queues, given.file, entry=Entry(port=given.port, keys={KEY_NAME: given.key}))
        bus.start()
    except (DocumentError, CannotListenError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    asked = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: asked.set())
    try:
        _say(f"Local Service Bus listens at {bus.host}\n{bus.connection_string}")
        while not ended.wait(_LOOK_EVERY_S) and not (given.end_with_parent and os.getppid() != parent):
            if asked.is_set():
                asked.clear()
                _say(json.dumps({name: asdict(found) for name, found in bus.counters().items()}))
    finally:
        bus.stop()
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.servicebus", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--file", type=Path, help="SQLite file that keeps the messages (default: memory)")
    parser.add_argument("--queues", type=Path, help="YAML file of queues (default: those of Dynamics Sync)")
    parser.add_argument("--key", default=KEY, help="the shared access key that opens it")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the process that started this is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
