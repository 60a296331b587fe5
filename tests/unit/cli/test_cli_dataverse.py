"""`dataverse`: a process of its own, with the options handed on."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.dataverse import identity
from shared.cli import dataverse
from shared.secrets import EnvironmentSecrets
from tests.unit.cli.cases import MadeUpApp, call


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What would be started, without starting it."""
    calls: list[tuple[str, list[str]]] = []

    def note(module: str, words: list[str], *, ready: Callable[[str], None]) -> int:
        calls.append((module, words))
        scheme = "https" if "--https" in words else "http"
        ready(f"Local Dataverse listens at {scheme}://127.0.0.1:{words[1]}/api/data/v9.2/\n")
        return 0

    monkeypatch.setattr(dataverse, "run_module", note)
    monkeypatch.setattr(dataverse, "find_spec", lambda name: object())
    monkeypatch.setattr(dataverse, "refuse_taken", lambda port: None)
    return calls


def test_options_are_handed_on(started: list[tuple[str, list[str]]], tmp_path: Path) -> None:
    """Port, file and tables reach the local Dataverse as given; it ends with the command, even a killed one."""
    tables = tmp_path / "tables.yaml"
    tables.write_text("", encoding="utf-8")
    call(MadeUpApp(), "dataverse", "--port", "8080", "--file", "rows.db", "--tables", str(tables))
    words = ["--port", "8080", "--file", "rows.db", "--tables", str(tables), "--end-with-parent"]
    assert started == [("local.dataverse", words)]


def test_it_says_how_to_reach_it(started: list[tuple[str, list[str]]]) -> None:
    """Address, tenant and client, what a definition needs, and the variables to set: read back as they stand there."""
    screen = call(MadeUpApp(), "dataverse", "--port", "8080").stdout
    said = json.loads(call(MadeUpApp(), "dataverse", "--port", "8080", "--json").stdout)
    assert said["service_url"] == "http://127.0.0.1:8080/api/data/v9.2/"
    assert all(value in screen for value in said.values())
    exported = dict(re.findall(r"export (\w+)=(\S+)", screen))
    assert f"authority: {said['authority']}\n" in screen
    asked = re.findall(r"(\w+): \{ secret: (\S+) \}", screen)
    secrets = EnvironmentSecrets(exported)
    assert {name: secrets.get(secret) for name, secret in asked} == dataverse.WELL_KNOWN


def test_with_https_it_says_what_to_trust(started: list[tuple[str, list[str]]], tmp_path: Path) -> None:
    """The certificate's file is handed on, and named whole for this product's commands and for Microsoft's client."""
    file = str(tmp_path / "dataverse.pem")
    screen = call(MadeUpApp(), "dataverse", "--port", "8080", "--https", file).stdout
    said = json.loads(call(MadeUpApp(), "dataverse", "--port", "8080", "--https", file, "--json").stdout)
    assert started == [("local.dataverse", ["--port", "8080", "--https", file, "--end-with-parent"])] * 2
    assert (said["service_url"], said["certificate"]) == ("https://127.0.0.1:8080/api/data/v9.2/", file)
    exported = dict(re.findall(r"export (\w+)=(\S+)", screen))
    assert exported["DYNSYNC_CA_FILE"] == exported["REQUESTS_CA_BUNDLE"] == file
    assert f"authority: {said['authority']}\n" in screen


def test_it_says_what_the_local_dataverse_knows() -> None:
    """The command may not import the local cloud, so this test compares what both say."""
    assert {
        "tenant_id": identity.TENANT_ID,
        "client_id": identity.CLIENT_ID,
        "client_secret": identity.CLIENT_SECRET,
    } == dataverse.WELL_KNOWN


def test_an_installation_without_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product can be installed without the local cloud."""
    monkeypatch.setattr(dataverse, "find_spec", lambda name: None)
    result = call(MadeUpApp(), "dataverse")
    assert (result.exit_code, "not part of this installation" in result.stderr) == (1, True)


def test_a_taken_port_is_said() -> None:
    """Before anything is started or printed."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = call(MadeUpApp(), "dataverse", "--port", str(taken.getsockname()[1]))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "choose another with --port" in result.stderr


def test_the_same_interpreter_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    """The module is found whatever folder one is in, and its exit code is told on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_up.py").write_text("import shared, sys\nprint(sys.argv[1:])\nsys.exit(3)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert dataverse.run_module("made_up", ["--port", "1"]) == 1
    assert capfd.readouterr().out == "['--port', '1']\n"


def test_nothing_is_said_of_a_server_that_does_not_start(tmp_path: Path, capfd: Any) -> None:
    """The address is printed when the server listens: a table file with a mistake brings the mistake alone."""
    tables = tmp_path / "tables.yaml"
    tables.write_text("tables: 5\n", encoding="utf-8")
    result = call(MadeUpApp(), "dataverse", "--port", "0", "--tables", str(tables))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "tables.yaml: tables: found 5; allowed: members" in capfd.readouterr().err


def test_options_are_handed_on_as_given() -> None:
    """A flag alone, a zero as a value, and nothing for what was not given."""
    given = {"port": 1, "limits": True, "file": None, "call_ms": 0.0, "window_s": 5.0, "json": False}
    assert dataverse._words(given) == ["--port", "1", "--limits", "--call-ms", "0.0", "--window-s", "5.0"]
