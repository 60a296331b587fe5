"""The programs and files that docs/local-dataverse.md and docs/local.md print do work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from local.dataverse import LocalDataverse

ROOT = Path(__file__).parents[3]


def programs(document: str, heading: str) -> list[str]:
    """The Python blocks below a heading."""
    return blocks(document, heading, "python")


def blocks(document: str, heading: str, language: str) -> list[str]:
    """The blocks of a language below a heading."""
    text = (ROOT / "docs" / document).read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def test_the_fixture_as_documented(tmp_path: Path) -> None:
    """The conftest and the test of the page, in a folder of their own and run by pytest, pass."""
    _, conftest, test = programs("local-dataverse.md", "In tests")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "test_documented.py").write_text(test, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "--rootdir",
        str(tmp_path),
    ]
    ran = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "1 passed" in ran.stdout, ran.stdout + ran.stderr


def test_the_server_in_a_test_as_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """The block of the page runs as it stands, and says what it looked at."""
    program = programs("local-dataverse.md", "In tests")[0]
    exec(compile(program, "local-dataverse.md", "exec"), {})
    assert capsys.readouterr().out == "[] [] {} []\n"


def test_rows_in_a_test_as_documented(capsys: pytest.CaptureFixture[str]) -> None:
    """Likewise of docs/local.md."""
    (program,) = programs("local.md", "The local Dataverse")
    exec(compile(program, "local.md", "exec"), {})
    assert "Contoso" in capsys.readouterr().out


def test_the_table_file_as_documented(tmp_path: Path) -> None:
    """It can be served as it stands."""
    (document,) = blocks("local-dataverse.md", "Tables of your own", "yaml")
    (tmp_path / "tables.yaml").write_text(document, encoding="utf-8")
    with LocalDataverse(tmp_path / "tables.yaml") as server:
        (site,) = server.rows("contoso_site")
        server.insert("account", [{"name": "Contoso", "contoso_code": "C1"}])
    assert (site["contoso_name"], site["contoso_opened"]) == ("Delft", "2026-03-01")


def test_microsofts_client_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the port differs from what the page says."""
    (program,) = programs("local-dataverse.md", "Microsoft's own client")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "dataverse.pem"))
    with LocalDataverse(https=tmp_path / "dataverse.pem") as server:
        assert "https://127.0.0.1:8765" in program
        own = program.replace("https://127.0.0.1:8765", server.authority.rstrip("/"))
        exec(compile(own, "local-dataverse.md", "exec"), {})
        (row,) = server.rows("account")
    assert (row["name"], str(row["accountid"]) in capsys.readouterr().out) == ("Contoso", True)
