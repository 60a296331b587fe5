"""`python -m local.serve`: the local cloud, until Ctrl-C."""

from __future__ import annotations

import argparse
import fcntl
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue

from local.serve.cloud import Cloud, has_storage
from local.serve.furnishing import furnish
from local.serve.places import FIRST_PORT, OWN_FOLDER, Ports, ServeError
from local.serve.telling import ready

_LOOK_EVERY_S = 0.5


def main() -> int:
    """0: ended by Ctrl-C; 1: a part did not start, or ended by itself."""
    given = _arguments()
    asked: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: asked.put(caught))
    folder = given.folder.resolve()
    try:
        with _alone(folder):
            _serve(folder, given, asked)
    except ServeError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    _say("The local cloud has ended. Nothing is left running.")
    return 0


def _serve(folder: Path, given: argparse.Namespace, asked: SimpleQueue[int]) -> None:
    at = furnish(folder, Ports.following(given.port), with_storage=has_storage() and not given.without_storage)
    cloud = Cloud(at, listener=_say)
    try:
        _say("Starting the local cloud …")
        cloud.start(with_host=not given.without_host)
        _say(ready(at, with_host=not given.without_host))
        _wait(cloud, asked)
        _say("\nEnding; work under way has half a minute to come to a stop …")
    finally:
        cloud.end()


def _wait(cloud: Cloud, asked: SimpleQueue[int]) -> None:
    """Until the end is asked for. Raises `ServeError` when a part ends by itself."""
    while True:
        try:
            asked.get(timeout=_LOOK_EVERY_S)
        except Empty:
            if (child := cloud.stopped()) is not None:
                tail = "\n".join(f"  {line}" for line in child.lines[-20:])
                raise ServeError(
                    f"{child.name} has ended by itself (exit code {child.ended}). It said:\n{tail}"
                ) from None
            continue
        return


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The folder is ours alone for as long as this lasts. Raises `ServeError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (folder / ".lock").open("w", encoding="utf-8")
    except OSError as error:
        raise ServeError(f"the folder {folder} cannot be used: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServeError(f"another local cloud runs in {folder}; end it with Ctrl-C first") from None
        yield


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.serve", description=main.__doc__)
    parser.add_argument(
        "--port", type=int, default=FIRST_PORT, help="the app's; the other parts have those behind it; 0: free ones"
    )
    parser.add_argument("--folder", type=Path, default=OWN_FOLDER, help="default: %(default)s")
    parser.add_argument("--without-host", action="store_true", help="everything but the app, for `func start`")
    parser.add_argument("--without-storage", action="store_true", help="keep jobs in the folder, not in Azurite")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
