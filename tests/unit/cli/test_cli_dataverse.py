"""`dataverse`: a process of its own, with the options handed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shared.cli import dataverse
from tests.unit.cli.cases import MadeUpApp, call


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What would be started, without starting it."""
    calls: list[tuple[str, list[str]]] = []

    def note(module: str, words: list[str]) -> int:
        calls.append((module, words))
        return 0

    monkeypatch.setattr(dataverse, "run_module", note)
    monkeypatch.setattr(dataverse, "find_spec", lambda name: object())
    return calls


def test_options_are_handed_on(started: list[tuple[str, list[str]]], tmp_path: Path) -> None:
    """Port, file and tables reach the local Dataverse as they were given."""
    tables = tmp_path / "tables.yaml"
    tables.write_text("", encoding="utf-8")
    call(MadeUpApp(), "dataverse", "--port", "0", "--file", "rows.db", "--tables", str(tables))
    assert started == [("local.dataverse", ["--port", "0", "--file", "rows.db", "--tables", str(tables)])]


def test_an_installation_without_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product can be installed without the local cloud."""
    monkeypatch.setattr(dataverse, "find_spec", lambda name: None)
    result = call(MadeUpApp(), "dataverse")
    assert (result.exit_code, "not part of this installation" in result.stderr) == (1, True)


def test_the_same_interpreter_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    """The module is found whatever folder one is in, and its exit code is told on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made_up.py").write_text("import shared, sys\nprint(sys.argv[1:])\nsys.exit(3)\n", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert dataverse.run_module("made_up", ["--port", "1"]) == 1
    assert capfd.readouterr().out == "['--port', '1']\n"
