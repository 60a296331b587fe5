"""Runs the measurements: every `bench/measure_*.py`, or one with options (`python -m bench engine --rows 10m`)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the measurement named, with its options, or all; 1 when a limit was broken or the name is unknown."""
    known = sorted(path.stem.removeprefix("measure_") for path in Path(__file__).parent.glob("measure_*.py"))
    if arguments and arguments[0] not in known:
        print(f"No such measurement: {arguments[0]}. Known: {', '.join(known) or 'none'}.")
        return 1
    good = True
    for name in arguments[:1] or known:
        print(f"\n== {name}")
        good &= importlib.import_module(f"bench.measure_{name}").main(arguments[1:]) == 0
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
