"""Temporary folders. Each tells by its name whose it is, so that what a killed process left is found and removed.

They hold field values: nothing of them outlives its process for longer than until the next one needs a folder.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"dynsync-[a-z]+-([0-9]+)-.*")


def made(kind: str, parent: Path | None = None) -> Path:
    """A new folder of this process, which removes it; before that, those of processes that are gone vanish.

    `kind` is one word in small letters. `parent` is the system's folder for such things when it is left out.
    """
    place = parent or Path(tempfile.gettempdir())
    _sweep(place)
    return Path(tempfile.mkdtemp(prefix=f"dynsync-{kind}-{os.getpid()}-", dir=place))


@contextmanager
def folder(kind: str, parent: Path | None = None) -> Iterator[Path]:
    """As `made`, for as long as the block lasts."""
    path = made(kind, parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for found in parent.glob("dynsync-*-*-*"):
        name = _NAME.fullmatch(found.name)
        if name and not _lives(int(name[1])) and _is_ours(found):
            shutil.rmtree(found, ignore_errors=True)


def _is_ours(found: Path) -> bool:
    try:
        return found.lstat().st_uid == os.getuid()
    except OSError:  # another process was faster
        return False


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
