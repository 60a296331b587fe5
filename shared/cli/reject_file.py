"""Rejects as CSV on standard output, and into a file."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import TextIOWrapper

from shared.csv_file import COLUMNS, reject_row, write_csv, write_lines, write_rejects
from shared.values.records import Reject

__all__ = ["print_rejects_csv", "write_csv", "write_rejects"]


def print_rejects_csv(rejects: Iterable[Reject]) -> None:
    """The same lines on standard output, as UTF-8 whatever the terminal's encoding."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace", newline="")
    write_lines(sys.stdout, list(COLUMNS), map(reject_row, rejects))
