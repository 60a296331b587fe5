"""One call of the command: where it looks, how it speaks, and the app behind it."""

from __future__ import annotations

import getpass
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from rich.console import Console

from shared.cli.facade import App
from shared.cli.looking import SourceLook, look_into
from shared.cli.progress import BarProgress, LineProgress

OpenApp = Callable[[Path, Path], App]
"""Gives the app of a state folder and a folder of definitions."""
OpenRemote = Callable[[str], App]
"""Gives the app that is deployed at an address."""


def open_wired(state: Path, syncs: Path) -> App:
    """The real app. Wiring is imported here, for it is dear to start and `--help` does not need it."""
    from shared.wiring import open_app

    return open_app(state=state, syncs=syncs)


def open_deployed(address: str) -> App:
    """A deployed app, by its API; the scope of the token is a setting of the caller's."""
    from shared.cli.remote import open_remote

    return open_remote(address, os.environ.get("DYNSYNC_APP_SCOPE", "").strip() or None)


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM): the same as Ctrl-C, but for the exit code."""


@dataclass
class Session:
    """What the options of one call decide.

    `working` is the sync of which a job is at work, `address` that of a deployed app.
    """

    open_app: OpenApp = open_wired
    open_remote: OpenRemote = open_deployed
    look: Callable[[Path], SourceLook] = look_into
    clock: Callable[[], float] = monotonic
    state: Path = field(default_factory=lambda: Path(".dynsync"))
    syncs: Path = field(default_factory=lambda: Path("syncs"))
    address: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    working: str | None = None
    _app: App | None = None
    _progress: BarProgress | LineProgress | None = None

    @property
    def app(self) -> App:
        """The app, opened at first use."""
        if self._app is None:
            if self.verbose:
                logging.basicConfig(
                    level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
                )
            self._app = self.open_remote(self.address) if self.address else self.open_app(self.state, self.syncs)
        return self._app

    def out(self) -> Console:
        """Standard output, for screens."""
        return console(stderr=False)

    def err(self) -> Console:
        """Standard error, for messages and progress."""
        return console(stderr=True)

    def progress(self) -> BarProgress | LineProgress:
        """Who shows a job's progress: a bar on a terminal, else plain lines; nobody with --quiet."""
        err = self.err()
        if err.is_terminal and not self.verbose and not self.quiet:
            self._progress = BarProgress(err, self.clock)
        else:
            self._progress = LineProgress(err, self.clock, quiet=self.quiet)
        return self._progress

    def waits(self, words: str) -> None:
        """Say that a service keeps us waiting: where a job's progress is shown, else in a line. A shown log says it."""
        if not self.verbose and not self.quiet:
            self._progress = self._progress or LineProgress(self.err(), self.clock)
            self._progress.waits(words)


def console(*, stderr: bool) -> Console:
    """A console that takes no text for markup. Without a terminal: no colour, and 100 columns unless COLUMNS is set."""
    plain = Console(stderr=stderr, markup=False, highlight=False, emoji=False, soft_wrap=False)
    if not plain.is_terminal and not os.environ.get("COLUMNS"):
        plain.width = 100
    return plain


def who() -> str:
    """The user who starts a job, as the system knows them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown user"
