"""`python -m local.dataverse`: runs the stand-in until it is told to stop, or until its parent is gone."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from local.dataverse.definitions import TableFileError
from local.dataverse.server import CannotListenError, LocalDataverse
from local.dataverse.store import CannotOpenError

_LOOK_EVERY_S = 1.0


def main() -> int:
    """Starts the server, says where it is, and waits for SIGTERM or SIGINT."""
    parent = os.getppid()
    given = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = LocalDataverse(given.tables, given.file, port=given.port)
        server.start()
    except (TableFileError, CannotOpenError, CannotListenError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    try:
        sys.stdout.write(f"Local Dataverse listens at {server.url}\n")
        sys.stdout.flush()
        if given.ready_file:
            given.ready_file.write_text(server.url + "\n", encoding="utf-8")
        _wait(ended, parent if given.end_with_parent else None)
    finally:
        server.stop()
    return 0


def _wait(ended: threading.Event, parent: int | None) -> None:
    """Until the end is asked for; with a parent's number, also until this process has another parent."""
    while not ended.wait(None if parent is None else _LOOK_EVERY_S):
        if os.getppid() != parent:
            return


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.dataverse", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--file", type=Path, help="SQLite file that keeps the rows (default: memory)")
    parser.add_argument("--tables", type=Path, help="table-definition file (default: the built-in tables)")
    parser.add_argument("--ready-file", type=Path, help="written with the address once the server listens")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the process that started this is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
