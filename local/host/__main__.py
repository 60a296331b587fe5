"""`python -m local.host FOLDER`: runs a function app until it is told to stop, or until its parent is gone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from local.host import hostfile
from local.host.appsettings import FILE
from local.host.host import Choices, Host, settle_environment
from local.host.http import Keys
from local.host.refusals import HostError
from local.listening import CannotListenError, open_listener, server_settings

FUNCTION_KEY, ADMIN_KEY = "local-function-key", "local-admin-key"
_LOOK_EVERY_S = 1.0


def main() -> int:
    """0: ended as asked; 1: it cannot start. A function that runs too long starts the whole process anew."""
    given = _arguments()
    folder = given.folder.resolve()
    kept = (given.kept or folder / ".dynsync" / "host").resolve()
    choices = Choices(folder, kept, Keys(given.function_key, given.admin_key))
    try:
        settle_environment(given.settings or folder / FILE)
        config = hostfile.read(folder / "host.json")
        _log_to_output(config)
        with open_listener(given.port, "local host") as opened:
            again, left = asyncio.run(_run(choices, config, opened, given))
    except (HostError, CannotListenError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    if again:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-P", "-m", "local.host", *sys.argv[1:]])  # noqa: S606 - ourselves
    if left:
        sys.stdout.flush()
        os._exit(0)  # calls that outlived their grace time hold threads that nothing else ends
    return 0


async def _run(
    choices: Choices, config: hostfile.HostFile, listener: socket.socket, given: argparse.Namespace
) -> tuple[bool, int]:
    """Run until the end is asked for, or a function is overdue (True); how many calls are left."""
    ended = _asked_to_end(given)
    host = await Host.load(choices, config)
    server = _Server(server_settings(host.front))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await host.start()
    _say(host, listener.getsockname()[1], given.ready_file)
    overdue = asyncio.create_task(host.overdue.wait())
    await asyncio.wait([asyncio.create_task(ended.wait()), overdue], return_when=asyncio.FIRST_COMPLETED)
    again = overdue.done()
    left = await host.stop(grace_s=0 if again else given.grace_s)
    server.should_exit = True
    await serving
    return again, left


def _asked_to_end(given: argparse.Namespace) -> asyncio.Event:
    """Set once the end is asked for. Without a parent nobody waits for calls under way, so they get no time then."""
    ended, loop, parent = asyncio.Event(), asyncio.get_running_loop(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def look() -> None:
        if os.getppid() != parent:
            given.grace_s = 0.0
            ended.set()
        loop.call_later(_LOOK_EVERY_S, look)

    if given.end_with_parent:
        look()
    return ended


def _say(host: Host, port: int, ready: Path | None) -> None:
    """Where everything is, for a reader; and in a file, for a program that waits for it."""
    url = f"http://127.0.0.1:{port}"
    lines = [f"Local Functions host listens at {url}"]
    lines += [
        f"  {one.name}: {','.join(sorted(one.methods)) or 'any method'} {url}/{one.template.text} ({one.level})"
        for one in host.triggers.http
    ]
    lines += [f"  {one.name}: timer {one.schedule.text}" for one in host.triggers.timers]
    lines += [
        f"  {one.name}: queue {one.queue}{' with sessions' if one.sessions else ''}" for one in host.triggers.queues
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
    if ready is not None:
        made = ready.with_name(f"{ready.name}.new")
        made.write_text(url + "\n", encoding="utf-8")
        made.replace(ready)


class _Server(uvicorn.Server):
    """A server that leaves the signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing is captured."""
        yield


def _log_to_output(config: hostfile.HostFile) -> None:
    """A line per message: time, level, category, text; levels as `host.json` says, Microsoft's libraries are quiet."""
    logging.basicConfig(
        level=config.level("Function"),
        format="%(asctime)s %(levelname)-7s %(name)s %(message)s",
        datefmt="%H:%M:%S",
        stream=sys.stdout,
        force=True,
    )
    for name in ("azure", "uvicorn", "urllib3", "msal"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("host").setLevel(config.level("Host"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.host", description=main.__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(), help="the function app (default: here)")
    parser.add_argument("--port", type=int, default=7071, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--kept", type=Path, help="where the host remembers its timers (default: .dynsync/host)")
    parser.add_argument("--settings", type=Path, help="file of local settings (default: local.settings.json in it)")
    parser.add_argument("--function-key", default=FUNCTION_KEY, help="opens functions of level function")
    parser.add_argument("--admin-key", default=ADMIN_KEY, help="opens everything")
    parser.add_argument("--grace-s", type=float, default=30.0, help="for calls under way at the end")
    parser.add_argument("--ready-file", type=Path, help="written with the address once the host listens")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the process that started this is gone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
