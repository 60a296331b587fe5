"""How the process ends: full disks, folders that may not be written, and a request to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from shared.errors import NotFoundError
from shared.values.jobs import Job, JobState, SourceBalance
from tests.unit.cli.cases import CLEAN, WAITING, MadeUpApp, call

ROOT = Path(__file__).parents[3]
WAITS_FOR_A_SIGNAL = """
import os, signal, sys
from shared.cli import main
from shared.cli.session import Session
from shared.cli.root import dynsync
import shared.wiring
from tests.unit.cli.cases import MadeUpApp

def start(self, *words, **members):
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()

MadeUpApp.start = start
shared.wiring.open_app = lambda **_: MadeUpApp()
main()
"""

MADE_UP = """
from shared.cli import main
import shared.wiring
from tests.unit.cli.cases import MadeUpApp

shared.wiring.open_app = lambda **_: MadeUpApp()
main()
"""


def run(words: list[str], **more: object) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    command = [sys.executable, *words]
    return subprocess.run(command, env=environ, text=True, stderr=subprocess.PIPE, check=False, **more)  # type: ignore[call-overload,no-any-return]


def test_a_system_error_is_one_message() -> None:
    """Path, reason and what to do; exit code 1 and no traceback."""
    app = MadeUpApp(error=PermissionError(13, "Permission denied", "/srv/syncs"))
    result = call(app, "run", "s", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: /srv/syncs cannot be used (Permission denied); see that")
    assert result.stderr.count("\n") == 1


def test_an_error_is_broken_between_words_in_a_terminal_only() -> None:
    """At 60 columns no line is longer, but a path stays one to copy; a pipe gets one line, for grep."""
    path = "/srv/" + "deep/" * 20 + "customers.csv"
    error = NotFoundError(f"there is no file {path} where the definition says that one should be; correct its path")
    piped = call(MadeUpApp(error=error), "run", "s", "-q").stderr
    terminal = {"FORCE_COLOR": "1", "COLUMNS": "60", "TERM": "xterm"}
    shown = call(MadeUpApp(error=error), "run", "s", "-q", environ=terminal).stderr
    assert piped == f"Error: {error}\n"
    assert path in shown.splitlines()
    assert [len(line) <= 60 for line in shown.splitlines()] == [line != path for line in shown.splitlines()]
    assert shown.split() == piped.split()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
@pytest.mark.parametrize("words", [["jobs"], ["jobs", "--json"], ["--help"]])
def test_a_full_disk_is_one_message(words: list[str], tmp_path: Path) -> None:
    """Whether rich, JSON or the last flush meets it."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = run(["-m", "shared.cli", *words], cwd=tmp_path, stdout=full)
    assert result.returncode == 1
    assert "No space left on device" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such signal")
@pytest.mark.parametrize(
    "words",
    [["show", "91d0e4f5"], ["jobs", "--json"], ["rejects", "8a11b2c3", "--csv", "-"], ["--help"], ["run", "-h"]],
)
def test_a_reader_that_has_gone_ends_it_quietly(words: list[str], tmp_path: Path) -> None:
    """`show … | head`: the exit code of SIGPIPE, and not a word; whether rich, JSON, a file or the help meets it."""
    reader, writer = os.pipe()
    os.close(reader)
    result = run(["-c", MADE_UP, *words], cwd=tmp_path, stdout=writer)
    os.close(writer)
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, "")


@pytest.mark.skipif(sys.platform == "win32", reason="the system has no such signal")
def test_a_request_to_end_is_like_ctrl_c(tmp_path: Path) -> None:
    """The job's own clean-up runs, and the exit code is that of SIGTERM."""
    result = run(["-c", WAITS_FOR_A_SIGNAL, "plan", "accounts-from-erp", "-q"], cwd=tmp_path, stdout=subprocess.PIPE)
    assert result.returncode == 128 + signal.SIGTERM
    assert "Stopped." in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("left", "command"), [(3, "dynsync apply 7f3c0a1e"), (0, "dynsync run s")])
def test_a_stop_names_the_command_that_goes_on(monkeypatch: pytest.MonkeyPatch, left: int, command: str) -> None:
    """With a plan of which a part is left: apply; else: run."""
    job = replace(CLEAN, state=JobState.CANCELLED, source=SourceBalance(read=left, not_attempted=left))

    def jobs(self: MadeUpApp, **asked: object) -> list[Job]:
        return [job]

    monkeypatch.setattr(MadeUpApp, "jobs", jobs)
    result = call(MadeUpApp(error=KeyboardInterrupt()), "run", "s", "-q")
    assert (result.exit_code, f"`{command}`" in result.stderr) == (130, True)


def test_messages_call_the_command_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a newcomer copies from the screen works where they are: from a clone it is `./dynsync`."""
    monkeypatch.setenv("DYNSYNC_CALLED", "./dynsync")
    assert "./dynsync apply " in call(MadeUpApp(WAITING), "show", WAITING.id).stdout
    monkeypatch.delenv("DYNSYNC_CALLED")
    assert "  dynsync apply " in call(MadeUpApp(WAITING), "show", WAITING.id).stdout


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("start a new one with `plan my-sync`", "`./dynsync plan my-sync`"),
        ("`dynsync jobs` lists them", "`./dynsync jobs` lists them"),
        ("the brake `creates` allows 20; state that as `encoding`", "the brake `creates` allows 20; state that as `en"),
    ],
)
def test_messages_from_below_are_told_as_called_too(monkeypatch: pytest.MonkeyPatch, message: str, said: str) -> None:
    """The engine does not know its door; the door says its words as they can be copied here."""
    monkeypatch.setenv("DYNSYNC_CALLED", "./dynsync")
    assert said in call(MadeUpApp(error=NotFoundError(message)), "run", "s", "-q").stderr
    assert said in call(MadeUpApp(replace(CLEAN, state=JobState.FAILED, error=message)), "run", "s", "-q").stdout
    assert said in call(MadeUpApp(replace(CLEAN, notes=(message,))), "run", "s", "-q").stdout


def test_without_a_command_the_help_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no error text; and what explains a slip is called as it was called."""
    result = call(MadeUpApp())
    assert (result.exit_code, result.stderr.startswith("Usage: ")) == (1, True)
    assert "explains" not in result.stderr
    monkeypatch.setenv("DYNSYNC_CALLED", "./dynsync")
    assert "`./dynsync show --help` explains." in call(MadeUpApp(), "show").stderr


def test_a_stop_without_a_job_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was at work, so nothing has to be started again."""

    def stopped(self: MadeUpApp, **asked: object) -> list[Job]:
        raise KeyboardInterrupt

    monkeypatch.setattr(MadeUpApp, "jobs", stopped)
    result = call(MadeUpApp(), "jobs")
    assert (result.exit_code, result.stderr) == (130, "\nStopped; nothing was changed.\n")
