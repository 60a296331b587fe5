"""Settings of an environment: from a file, beside the tables, by options of the command."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from local.dataverse import Limits, LocalDataverse, settings
from local.dataverse import __main__ as program
from local.dataverse.definitions import BUILT_IN
from local.dataverse.documents import DocumentError
from local.dataverse.faults import ROUGH

TEXT = """
limits: { servers: 2, scale: 0.0167, call_ms: 50, row_ms: 4 }
faults:
  - { kind: deadlock, table: account, probability: 0.1, count: null }
actions:
  - { name: new_Refresh, parameters: { JobId: text }, does: { echo: { Job: JobId } } }
workflows:
  - { id: 0d000000-0000-4000-8000-00000000f10a, name: Rename, table: account, does: { set: { name: done } } }
webhooks:
  - { url: "http://127.0.0.1:1/", table: account, message: Create }
applications:
  - { client_id: 0d000000-0000-4000-8000-00000000c1d9, client_secret: second, name: Second }
"""


def test_a_file_settles_everything(tmp_path: Path) -> None:
    """Alone, and beside the tables; what an argument says counts over it."""
    alone, beside = tmp_path / "settings.yaml", tmp_path / "tables.yaml"
    alone.write_text(TEXT)
    beside.write_text(BUILT_IN.read_text(encoding="utf-8") + TEXT)
    for server in (
        LocalDataverse(settings=settings.read(alone)),
        LocalDataverse(beside),
        LocalDataverse(beside, limits=Limits(servers=3)),
    ):
        application = server.application
        assert application.gate.limits.servers in (2, 3)
        assert [waiting.fault.table for waiting in application.faults.waiting] == ["account"]
        assert [hook.table for hook in application.webhooks.registered] == ["account"]
        assert [row["fullname"] for row in server.rows("systemuser")][-1] == "Second"
        server.stop()
    assert application.gate.limits.servers == 3


def test_the_language_may_stand_beside_the_tables(tmp_path: Path) -> None:
    """And an argument counts over it."""
    path = tmp_path / "tables.yaml"
    path.write_text("built_in: true\nlanguage: 1053\n")
    for given, language in ((None, 1053), (settings.Settings(language=1036), 1036)):
        server = LocalDataverse(path, settings=given)
        assert [row["languagecode"] for row in server.rows("organization")] == [language]
        server.stop()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("limit: {}", "limit: found a member that is not known; allowed: limits, faults"),
        ("limits: { srvers: 1 }", "limits.srvers: found a member that is not known; allowed: servers, requests"),
        ("faults: [{ kinds: rain }]", "faults.0.kinds: found a member that is not known; allowed: kind, method"),
        ("limits: { servers: none }", "limits.servers"),
        ("faults: [{ kind: rain }]", "faults.0.kind"),
        ("applications: [{ client_id: x, client_secret: hidden }]", "applications.0.client_id"),
        ("- a", "needs members"),
        ("a: [", "cannot be read"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    """Path and member; never a secret."""
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    with pytest.raises(DocumentError) as found:
        settings.read(path)
    assert str(path) in str(found.value)
    assert said in str(found.value)
    assert "hidden" not in str(found.value)


def parsed(monkeypatch: pytest.MonkeyPatch, *words: str) -> settings.Settings:
    monkeypatch.setattr(sys, "argv", ["local.dataverse", *words])
    return program._settings(program._arguments())


def test_options_bring_limits_and_faults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing by default; one option of the limits brings them all; they count over the file's."""
    path = tmp_path / "settings.yaml"
    path.write_text(TEXT)
    assert parsed(monkeypatch) == settings.Settings()
    assert parsed(monkeypatch, "--limits").limits == Limits()
    fast = parsed(monkeypatch, "--window-s", "5", "--servers", "2", "--call-ms", "50", "--row-ms", "4").limits
    assert fast == Limits(servers=2, scale=1 / 60, call_ms=50, row_ms=4)
    assert parsed(monkeypatch, "--faults", "rough").faults == ROUGH
    assert parsed(monkeypatch, "--language", "1053").language == 1053
    both = parsed(monkeypatch, "--settings", str(path), "--servers", "5")
    assert both.limits == Limits(servers=5)
    assert len(both.actions) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--servers", "0"), "servers"),
        (("--language", "7"), "language"),
        (("--settings", "nowhere.yaml"), "nowhere.yaml"),
        (("--ready-file", "no-folder/ready"), "there is no folder no-folder"),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    words: tuple[str, str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong value, a file that is not there, a ready file in a folder that is not there: no traceback."""
    monkeypatch.setattr(sys, "argv", ["local.dataverse", *words])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert program.main() == 1
    assert said in capsys.readouterr().err
