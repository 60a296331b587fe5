"""The `dynsync` command."""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper
from types import FrameType

from shared.cli.root import dynsync
from shared.cli.session import Terminated


def main() -> None:
    """Run the command with the arguments of this process, and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without our signs shows their codes
    signal.signal(signal.SIGTERM, _end)
    dynsync.main(prog_name="dynsync")


def _end(number: int, frame: FrameType | None) -> None:
    """End as at Ctrl-C: the job is noted as cancelled and its lease given back. A second request changes nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated
