"""`python -m local.dataverse`: it starts or says why not, and ends with whoever started it."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.dataverse import LocalDataverse
from local.dataverse import __main__ as program

ROOT = Path(program.__file__).parents[2]
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "local.dataverse", "--end-with-parent"])
print(child.pid, flush=True)
time.sleep(600)
"""


def refused(*words: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["local.dataverse", *words])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    return program.main()


def folder(path: Path) -> None:
    path.mkdir()


def text(path: Path) -> None:
    path.write_text("no database at all, but some text " * 40)


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE VIEW account AS SELECT 1 AS x")
    database.close()


@pytest.mark.parametrize(
    ("make", "reason"), [(folder, "it is a folder"), (text, "not a database"), (foreign, "the rows cannot be kept")]
)
def test_a_file_that_cannot_be_opened(make, reason, tmp_path, monkeypatch, capsys) -> None:
    """One message with path and reason, and nothing is said to listen."""
    path = tmp_path / "rows.db"
    make(path)
    assert refused("--file", str(path), monkeypatch=monkeypatch) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert str(path) in said.err
    assert reason in said.err


def test_a_folder_that_is_not_there(tmp_path, monkeypatch, capsys) -> None:
    """The message names the folder that is missing."""
    assert refused("--file", str(tmp_path / "none" / "rows.db"), monkeypatch=monkeypatch) == 1
    assert f"there is no folder {tmp_path / 'none'}" in capsys.readouterr().err


def test_a_port_that_is_taken(monkeypatch, capsys) -> None:
    """One message, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert refused("--port", port, monkeypatch=monkeypatch) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert f"port {port} cannot be listened at" in said.err


@pytest.mark.skipif(os.name == "nt", reason="a killed parent is only seen where the parent's number changes")
def test_it_ends_when_its_parent_is_killed() -> None:
    """The pipe that parent and child share is closed by both: the child did not outlive the parent."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert "listens at" in parent.stdout.readline()
            parent.kill()
            assert parent.communicate(timeout=60) == ("", None)
            child = 0
        finally:
            parent.kill()
            if child:
                os.kill(child, signal.SIGKILL)


def test_a_signal_in_the_midst_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C reaches the command and the server, and the command ends the server besides: the second signal interrupts
    the first one's handler wherever that is, and the server ends all the same."""
    handlers: dict[int, Callable[..., None]] = {}
    registered = threading.Event()

    def register(number: int, handler: Callable[..., None]) -> None:
        handlers[number] = handler
        if number == signal.SIGINT:
            registered.set()

    def interrupt(_: object, event: str, __: object) -> Any:
        if event == "line":
            handlers[signal.SIGTERM](signal.SIGTERM, None)
        return interrupt

    def tell() -> None:
        sys.settrace(interrupt)
        handlers[signal.SIGINT](signal.SIGINT, None)

    monkeypatch.setattr(sys, "argv", ["local.dataverse"])
    monkeypatch.setattr(signal, "signal", register)
    server, told = threading.Thread(target=program.main, daemon=True), threading.Thread(target=tell, daemon=True)
    server.start()
    assert registered.wait(30)
    told.start()
    told.join(10)
    assert not told.is_alive()
    server.join(30)
    assert not server.is_alive()


def test_a_file_that_is_served_already(tmp_path, monkeypatch, capsys) -> None:
    """A second server on the same file is refused: the row versions of both would collide."""
    path = tmp_path / "rows.db"
    monkeypatch.setattr("local.dataverse.store._WAIT_S", 0.0)
    with LocalDataverse(file=path) as server:
        assert refused("--file", str(path), monkeypatch=monkeypatch) == 1
        server.insert("account", [{"name": "Still there"}])
    assert "another program has it open" in capsys.readouterr().err
    with LocalDataverse(file=path) as again:
        assert [row["name"] for row in again.rows("account")] == ["Still there"]
