"""May a definition read this file? And under which path does it know it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from shared.cli.draft import scalar
from shared.cli.screens.paper import say
from shared.cli.session import console
from shared.definitions.reach import load_local_reach

_NEW_REACH = """# The operator's file: what the definitions in this folder may touch.
# Local folders that sources may read, with everything below; relative to this file.
folders:
  - {folder}
"""


class Agree(Protocol):
    """Asks a person."""

    def __call__(self, text: str, *, default: bool) -> bool:
        """Yes or no."""


def reachable_path(syncs: Path, source: Path, *, agree: Agree) -> str:
    """The path for the definition: relative to the folder that holds the definitions' folder, where it lies below.

    When there is no reach file yet, one that allows the source's folder is offered; an existing one is never changed,
    and what to add is said.
    """
    real = source.resolve()
    _allow(syncs, real, agree)
    base = syncs.resolve().parent
    return (real.relative_to(base) if real.is_relative_to(base) else real).as_posix()


def _allow(syncs: Path, source: Path, agree: Agree) -> None:
    if load_local_reach(syncs).allows_path(source):
        return
    reach, err = syncs / "reach.yaml", console(stderr=True)
    folder = _relative(source.parent, reach.resolve().parent)
    if not reach.exists() and agree(f"Definitions may read no folder yet. Allow {source.parent}?", default=True):
        reach.parent.mkdir(parents=True, exist_ok=True)
        reach.write_text(_NEW_REACH.format(folder=scalar(folder)), encoding="utf-8")
        say(err, f"Wrote {reach}: sources may read {source.parent}.")
        return
    say(err, f"Definitions may not read {source.parent} yet: add {scalar(folder)} to `folders` in {reach}.")


def _relative(folder: Path, start: Path) -> str:
    try:
        return Path(os.path.relpath(folder, start)).as_posix()
    except ValueError:  # another drive
        return folder.as_posix()
