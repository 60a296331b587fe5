from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.engine.workspace import Limits, SourceTable, Workspace, workspace_folder
from shared.errors import FailError

ENDLESS = "CREATE TABLE t AS SELECT count(*) AS n FROM range(10000000000) a, range(10000) b"


def test_a_statement_ends_when_its_time_is_over() -> None:
    """It is interrupted and says what to do; the workspace goes on."""
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        with pytest.raises(FailError, match="took longer than"):
            workspace.run(ENDLESS, within_s=0.2)
        assert workspace.value("SELECT 1 + 1") == 2


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    """A workspace whose process is gone vanishes with the next one; a living one's stays."""
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = tmp_path / f"dynsync-work-{int(gone.stdout)}-x"
    dead.mkdir()
    with workspace_folder(tmp_path) as living:
        assert not dead.exists()
        with workspace_folder(tmp_path):
            assert living.exists()
    assert list(tmp_path.iterdir()) == []


def test_nothing_outside_is_in_reach(tmp_path: Path) -> None:
    """Only the workspace and the files it was given can be read, and that cannot be changed any more."""
    given, other = tmp_path / "given.csv", tmp_path / "other.csv"
    for path in (given, other):
        path.write_text("a\n1\n", encoding="utf-8")
    with workspace_folder() as folder, Workspace(folder, limits=Limits(), readable=[given]) as workspace:
        assert workspace.value(f"SELECT count(*) FROM read_csv('{given}')") == 1
        for sql in (f"SELECT count(*) FROM read_csv('{other}')", "SET enable_external_access = TRUE"):
            with pytest.raises(Exception, match=r"[Pp]ermission|cannot be changed|locked|Cannot"):
                workspace.rows(sql)


def test_no_statement_waits_for_the_disk() -> None:
    """A workspace is gone with its process, so its file is written at the system's leisure."""
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        assert workspace.rows("SELECT current_setting('fsync_mode')") == [("NONE",)]


def test_records_that_are_read_by_two_threads_keep_their_numbers(tmp_path: Path) -> None:
    """Each has the number of its line, also after the workspace has let go of all order."""
    path = tmp_path / "many.csv"
    path.write_text("n\n" + "".join(f"{number}\n" for number in range(1, 400_001)))
    with workspace_folder() as folder, Workspace(folder, limits=Limits(threads=2), readable=[path]) as workspace:
        read = f"read_csv('{path}', header = TRUE, buffer_size = 100000)"
        assert SourceTable(workspace).fill_in_order(f"SELECT n FROM {read}", never=["n?"]) == 400_000
        workspace.seal()
        assert workspace.columns("source") == {"row_no": "BIGINT", "n": "BIGINT", "n?": "BOOLEAN"}
        assert workspace.value('SELECT count(*) FROM source WHERE row_no = n AND NOT "n?"') == 400_000
        assert workspace.value("SELECT n FROM source WHERE row_no IN (SELECT 399_999)") == 399_999


def test_a_sealed_workspace_cannot_be_configured() -> None:
    """Neither its limits nor anything else; and what says ORDER BY still comes in order."""
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        workspace.seal()
        with pytest.raises(Exception, match="locked"):
            workspace.rows("SET memory_limit = '8GB'")
        workspace.run("CREATE TABLE t AS SELECT range AS n FROM range(300000) ORDER BY n DESC")
        rows = workspace.rows("SELECT rowid, n FROM t ORDER BY rowid")
        assert rows == [(number, 299_999 - number) for number in range(300_000)]
