"""`python -m local.dataverse`: runs the stand-in until it is told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from local.dataverse.definitions import TableFileError
from local.dataverse.server import LocalDataverse


def main() -> int:
    """Starts the server, says where it is, and waits for SIGTERM or SIGINT."""
    given = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        server = LocalDataverse(given.tables, given.file, port=given.port)
    except TableFileError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    with server:
        sys.stdout.write(f"Local Dataverse listens at {server.url}\n")
        sys.stdout.flush()
        if given.ready_file:
            given.ready_file.write_text(server.url + "\n", encoding="utf-8")
        ended.wait()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.dataverse", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--file", type=Path, help="SQLite file that keeps the rows (default: memory)")
    parser.add_argument("--tables", type=Path, help="table-definition file (default: the built-in tables)")
    parser.add_argument("--ready-file", type=Path, help="written with the address once the server listens")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
