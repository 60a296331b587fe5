"""Temporary folders vanish with their process, or with the next one that needs any."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from shared import temporary
from tests import azurite

ROOT = Path(__file__).parents[2]
OPENS = """
import os, signal, sys
from shared.state.azure.connecting import Account, opened
kept = opened(Account(connection=lambda: os.environ["CONNECTION"], table=sys.argv[1], container=sys.argv[1]))
if sys.argv[2] == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
"""


def gone() -> int:
    """The number of a process that has ended."""
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return int(done.stdout)


def test_a_folder_lasts_as_long_as_its_block(tmp_path: Path) -> None:
    """Whatever is in it, and however the block ends."""
    with pytest.raises(ValueError, match="on purpose"), temporary.folder("look", tmp_path) as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
        assert folder.stat().st_mode & 0o077 == 0
        raise ValueError("on purpose")
    assert list(tmp_path.iterdir()) == []


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    """Of every kind; what belongs to a living process, to nobody, or to another program stays."""
    dead = gone()
    for kind in ("work", "state", "upload", "plan"):
        (tmp_path / f"dynsync-{kind}-{dead}-x").mkdir()
    others = {f"dynsync-work-{os.getpid()}-x", f"dynsync-{dead}-x", "dynsync-state-abc12345", f"other-work-{dead}-x"}
    for name in others:
        (tmp_path / name).mkdir()
    with temporary.folder("work", tmp_path) as folder:
        assert {path.name for path in tmp_path.iterdir()} == {folder.name, *others}


def test_a_link_leads_nowhere(tmp_path: Path) -> None:
    """What it leads to is left alone."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    place = tmp_path / "tmp"
    place.mkdir()
    (place / f"dynsync-work-{gone()}-x").symlink_to(kept)
    with temporary.folder("work", place):
        assert (kept / "file").read_text() == "x"


@pytest.mark.needs("azurite")
def test_a_store_in_azure_leaves_nothing(tmp_path: Path, storage: azurite.Account) -> None:
    """A process that finished removes its copies of files; those of a killed one go with the next store."""
    name = f"t{uuid.uuid4().hex}"
    environ = {**os.environ, "CONNECTION": storage.connection, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}

    def run(how: str) -> int:
        return subprocess.run([sys.executable, "-c", OPENS, name, how], env=environ, check=False).returncode

    assert run("killed") == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.name.startswith("dynsync-state-")
    assert run("finished") == 0
    assert list(tmp_path.iterdir()) == []
