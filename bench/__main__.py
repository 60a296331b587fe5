"""Runs the measurements: every module `bench/measure_*.py`, or those named (`python -m bench reconcile`)."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def main(names: list[str]) -> int:
    """Run the measurements named, or all; 1 when a name is unknown."""
    known = {path.stem.removeprefix("measure_"): path for path in sorted(Path(__file__).parent.glob("measure_*.py"))}
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        print(
            f"No such measurement: {', '.join(unknown) or 'none is written yet'}. Known: {', '.join(known) or 'none'}."
        )
        return 1
    for name in names or known:
        print(f"\n== {name}")
        runpy.run_path(str(known[name]), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
