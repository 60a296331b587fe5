"""Checks every definition by itself: its form, its parts against each other, the reach. No source and no Dataverse is
asked, so it needs no secret and runs on any pull request. `dynsync check` asks both.
"""

from __future__ import annotations

import sys
from pathlib import Path

from shared.definitions.catalogue import Catalogue
from shared.definitions.reach import load_reach
from shared.values.problems import Problem, Severity

ROOT = Path(__file__).parents[2]


def problems(folder: Path) -> dict[str, list[Problem]]:
    """What is to be said of each definition, by its name; an empty list: nothing."""
    catalogue = Catalogue(folder, load_reach(folder / "reach.yaml"))
    sound = {name: list(catalogue.advice(name)) for name in catalogue.names()}
    return sound | {name: list(error.problems) for name, error in catalogue.broken().items()}


def main() -> None:
    """Tell everything; end with 1 when a definition is broken."""
    found = problems(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "syncs")
    broken = False
    for name, listed in sorted(found.items()):
        sys.stdout.write(f"{name}: {'fine' if not listed else ''}\n")
        for problem in listed:
            sys.stdout.write(f"  {problem.severity.value}: {problem}\n")
            broken = broken or problem.severity is Severity.ERROR
    if not found:
        sys.stdout.write("no definitions yet\n")
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
