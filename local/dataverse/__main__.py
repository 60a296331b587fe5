"""`python -m local.dataverse`: runs the stand-in until it is told to stop, or until its parent is gone."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from queue import Empty, SimpleQueue

from local.dataverse import settings
from local.dataverse.definitions import TableFileError
from local.dataverse.documents import DocumentError
from local.dataverse.faults import ROUGH
from local.dataverse.limits import Limits
from local.dataverse.seeding import SeedError
from local.dataverse.server import LocalDataverse
from local.dataverse.settings import Settings
from local.dataverse.store import CannotOpenError
from local.dataverse.tls import CannotWriteError
from local.listening import CannotListenError

_LOOK_EVERY_S = 1.0
_LIMITS = ("servers", "call_ms", "row_ms", "dop_hint")


def main() -> int:
    """Starts the server, says where it is, and waits for SIGTERM or SIGINT."""
    parent = os.getppid()
    given = _arguments()
    ended: SimpleQueue[int] = SimpleQueue()  # a signal may interrupt another's put; an Event would wait for itself
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: ended.put(caught))
    try:
        server = LocalDataverse(given.tables, given.file, port=given.port, https=given.https, settings=_settings(given))
        if given.authority:
            server.trust(given.authority, given.ca_file)
        server.start()
    except (TableFileError, DocumentError, SeedError, CannotOpenError, CannotListenError, CannotWriteError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    try:
        sys.stdout.write(f"Local Dataverse listens at {server.url}\n")
        sys.stdout.flush()
        if given.ready_file and not _written(given.ready_file, server.url):
            return 1
        _wait(ended, parent if given.end_with_parent else None)
    finally:
        server.stop()
    return 0


def _written(path: Path, url: str) -> bool:
    try:
        path.write_text(url + "\n", encoding="utf-8")
    except OSError as error:
        reason = f"there is no folder {path.parent}" if not path.parent.is_dir() else error.strerror
        sys.stderr.write(f"the address cannot be written to {path}: {reason}; name a file in a folder that is there\n")
        return False
    return True


def _wait(ended: SimpleQueue[int], parent: int | None) -> None:
    """Until the end is asked for; with a parent's number, also until this process has another parent."""
    while True:
        try:
            ended.get(timeout=None if parent is None else _LOOK_EVERY_S)
        except Empty:
            if os.getppid() == parent:
                continue
        return


def _settings(given: argparse.Namespace) -> Settings:
    """The settings of the file, with the options over them.

    Raises:
        DocumentError: a value is not allowed.
    """
    found = settings.read(given.settings) if given.settings else Settings()
    chosen = {name: getattr(given, name) for name in _LIMITS if getattr(given, name) is not None}
    if given.window_s is not None:
        chosen["scale"] = given.window_s / Limits().window_s
    limits = Limits.of(chosen) if given.limits or chosen else None
    faults = ROUGH if given.faults == "rough" else ()
    return found + Settings.of({"language": given.language}) + Settings(limits=limits, faults=faults)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.dataverse", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 (default) takes a free one")
    parser.add_argument("--file", type=Path, help="SQLite file that keeps the rows (default: memory)")
    parser.add_argument("--tables", type=Path, help="table-definition file (default: the built-in tables)")
    parser.add_argument("--https", type=Path, help="speak https; the certificate to trust is written to this file")
    parser.add_argument("--settings", type=Path, help="YAML file of limits, faults, actions, webhooks, applications")
    parser.add_argument("--limits", action="store_true", help="the service's limits; each option below brings them too")
    parser.add_argument("--servers", type=int, help="virtual web servers")
    parser.add_argument("--window-s", type=float, help="the five minutes of the limits pass in so many seconds")
    parser.add_argument("--call-ms", type=float, help="simulated time of a call")
    parser.add_argument("--row-ms", type=float, help="simulated time of each row of a call")
    parser.add_argument("--dop-hint", type=int, help="the degree of parallelism that is recommended")
    parser.add_argument("--faults", choices=("off", "rough"), default="off", help="rough: a little of everything")
    parser.add_argument("--language", type=int, help="base language (an LCID, default 1033): whether accents count")
    parser.add_argument("--authority", help="accept this authority's tokens, too (python -m local.identity)")
    parser.add_argument("--ca-file", type=Path, help="PEM bundle that verifies the authority's certificate")
    parser.add_argument("--ready-file", type=Path, help="written with the address once the server listens")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the process that started this is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
