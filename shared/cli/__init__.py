"""The `dynsync` command."""

from __future__ import annotations

import sys
from io import TextIOWrapper

from shared.cli.root import dynsync


def main() -> None:
    """Run the command with the arguments of this process, and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without our signs shows their codes
    dynsync.main(prog_name="dynsync")
