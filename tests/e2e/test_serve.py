"""`make serve` as a user has it: everything starts, an example runs, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from local.children import Child, python, python_path

ROOT = Path(__file__).parents[2]
PARTS = 9


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    """Starts local clouds in this test's folder; temporary files go beside it."""
    started: list[Child] = []
    (tmp_path / "tmp").mkdir()

    def begin(*words: str) -> Child:
        command = python("local.serve", "--folder", tmp_path / "cloud", *words)
        environ = python_path() | {"TMPDIR": str(tmp_path / "tmp"), "DYNSYNC_STATE": "elsewhere"}
        started.append(Child("serve", command, folder=tmp_path, environ=environ))
        return started[-1]

    yield begin
    for child in started:
        child.end()


def until(found: Callable[[], object]) -> None:
    """Wait until it is so, at most a minute."""
    pause = threading.Event()
    for _ in range(600):
        if found():
            return
        pause.wait(0.1)
    raise AssertionError("it did not come to be so")


def state_of(app: str, job_id: str) -> str:
    return str(requests.get(f"{app}/api/jobs/{job_id}", timeout=30).json()["state"])


def left(folder: Path) -> list[str]:
    """Processes that still work in the folder."""
    return [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in left_ids(folder)]


def left_ids(folder: Path) -> list[int]:
    """Their numbers."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").resolve().is_relative_to(folder):
                found.append(int(entry.name))
    return found


def listening(first: int) -> list[int]:
    found = []
    for port in range(first, first + PARTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


@pytest.mark.needs("azurite")
def test_the_whole_cloud_runs_an_example_and_leaves_nothing(serve: Callable[..., Child], tmp_path: Path) -> None:
    """Every line under "Try first" works as it stands; Ctrl-C ends every process; files are in the folder only."""
    before = set(ROOT.iterdir())
    child = serve("--port", "0")
    app = child.said(r"App +(http://127.0.0.1:\d+)")[1]
    child.said("scheduled_syncs -H")
    lines = [line.strip() for line in child.lines if line.strip().startswith("curl ")]
    answers = [subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout for line in lines]
    ids = [re.search(r'"id":"([0-9a-f-]+)"', answer) for answer in answers[1:3]]
    for found in ids:
        assert found is not None, answers
        until(lambda found=found: state_of(app, found[1]) == "Succeeded")
    assert len(lines) == 7
    assert '"status":"up"' in answers[0]
    page = requests.get(f"{app}/", timeout=30)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert ids[0] is not None
    assert f'href="/jobs/{ids[0][1]}"' in page.text
    first = int(app.rpartition(":")[2])
    assert len(listening(first)) == PARTS
    child.tell(signal.SIGINT)
    assert child.wait() == 0
    assert child.lines[-1] == "The local cloud has ended. Nothing is left running."
    assert (listening(first), left(tmp_path / "cloud")) == ([], [])
    assert set(ROOT.iterdir()) == before
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (tmp_path / "elsewhere").exists()


def test_a_message_becomes_a_record(serve: Callable[..., Child]) -> None:
    """The line that sends an event and the one that shows the record work as they stand; the listener tells of it."""
    child = serve("--port", "0", "--without-storage")
    app = child.said(r"App +(http://127.0.0.1:\d+)")[1]
    child.said("scheduled_syncs -H")
    child.said("_local/rows/account")
    send, show = (line.strip() for line in child.lines if "events/signups" in line or "_local/rows" in line)
    assert ran(send) == '{"sent":1}'
    until(lambda: "Blue Door Books" in ran(show))
    told = f"{app}/api/syncs/signups/listener"
    until(lambda: requests.get(told, timeout=30).json()["pulse"]["counts"] == {"created": 1})


def ran(line: str) -> str:
    """What a line says."""
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout


def test_a_killed_cloud_takes_its_parts_along(serve: Callable[..., Child], tmp_path: Path) -> None:
    """Also without a chance to end them, and without Azurite: the parts notice."""
    child = serve("--port", "0", "--without-storage")
    first = int(child.said(r"App +http://127.0.0.1:(\d+)")[1])
    assert "none: jobs are kept in the folder" in "\n".join(child.lines)
    child.kill()
    until(lambda: not listening(first) and not left(tmp_path / "cloud"))


@pytest.mark.needs("azurite")
def test_a_killed_cloud_s_parts_need_not_notice(serve: Callable[..., Child], tmp_path: Path) -> None:
    """The system ends them with it: also those that are stopped, or busy, and could do nothing about it themselves.

    A new cloud takes the same ports and the same folder at once, and throws away what the old one left for the moment.
    """
    child = serve("--port", "0")
    first = int(child.said(r"App +http://127.0.0.1:(\d+)")[1])
    child.said("scheduled_syncs -H")
    parts = [pid for pid in left_ids(tmp_path / "cloud") if pid != child.pid]
    assert len(parts) >= 5
    for pid in parts:
        os.kill(pid, signal.SIGSTOP)
    (tmp_path / "cloud" / "tmp" / "dynsync-work-1-left").mkdir()
    child.kill()
    until(lambda: not left_ids(tmp_path / "cloud") and not listening(first))
    again = serve("--port", str(first), "--without-host")
    again.said("local.settings.json .")
    assert not (tmp_path / "cloud" / "tmp" / "dynsync-work-1-left").exists()


def test_a_taken_port_is_told(serve: Callable[..., Child]) -> None:
    """Which part, which port, and what to type instead; nothing is started."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        child = serve("--port", str(port - 2))
        assert child.wait() == 1
    said = "\n".join(child.lines)
    assert f"bus ({port})" in said
    assert f"make serve PORT={port + 98}" in said


def test_one_cloud_in_one_folder(serve: Callable[..., Child]) -> None:
    """The second says so and leaves the first alone; another port in the same folder is refused as well."""
    first = serve("--port", "0", "--without-storage", "--without-host")
    port = int(first.said(r"Dataverse +http://127.0.0.1:(\d+)")[1]) - 1
    second = serve("--port", "0")
    assert (second.wait(), "another local cloud runs in" in "\n".join(second.lines)) == (1, True)
    assert first.end() == 0
    third = serve("--port", str(port + 20))
    assert (third.wait(), f"make serve PORT={port}" in "\n".join(third.lines)) == (1, True)
