"""`secrets set` and `secrets list`: what is asked, what is said, and that no value is ever said."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from local.identity import OFFICER, LocalIdentity
from shared.cli.root import dynsync

ROOT = Path(__file__).parents[3]
NAME = "cities--client-secret"
CITIES = """
name: cities
source: { type: delimited, path: cities.csv, schema: [{ name: code }] }
destination:
  type: dynamics
  entity: new_city
  service_url: https://org.crm4.dynamics.com
  tenant_id: { secret: cities--tenant-id }
  client_id: { secret: cities--client-id }
  client_secret: { secret: cities--client-secret }
  id_column: new_cityid
mappings: [{ source: code, target: new_citycode }]
behaviour: { strategy: delta, key: [new_citycode] }
"""


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIdentity]:
    """A vault that this machine's identity may write."""
    with LocalIdentity() as running:
        running.rights.grant(running.machine_id, OFFICER)
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "cities.yaml").write_text(CITIES, encoding="utf-8")
    (tmp_path / "syncs" / "torn.yaml").write_text("name: torn\n", encoding="utf-8")
    return tmp_path


def call(folder: Path, *words: str, given: str | bytes | None = None) -> Result:
    where = ["--syncs", str(folder / "syncs"), "--state", str(folder / "state")]
    return CliRunner(env={"COLUMNS": "120"}).invoke(dynsync, ["secrets", *words, *where], input=given)


@pytest.mark.parametrize("given", ["marked-1", "marked-1\n", "marked-1\r\n"])
def test_a_value_is_read_from_standard_input(azure: LocalIdentity, folder: Path, given: str) -> None:
    """Without the end of its line; it is set, and not said."""
    result = call(folder, "set", NAME, given=given)
    assert result.exit_code == 0, result.output
    assert azure.vault.get(NAME).value == "marked-1"
    assert result.output == f"Set {NAME} in the key vault {azure.vault_url}.\n"


def test_lines_within_a_value_stay(azure: LocalIdentity, folder: Path) -> None:
    """A certificate in PEM has many."""
    assert call(folder, "set", NAME, given="a\nb\n\n").exit_code == 0
    assert azure.vault.get(NAME).value == "a\nb\n"


def test_json_says_where_and_never_what(azure: LocalIdentity, folder: Path) -> None:
    """Name and place."""
    result = call(folder, "set", NAME, "--json", given="marked")
    assert json.loads(result.stdout) == {"secret": NAME, "place": f"the key vault {azure.vault_url}"}


@pytest.mark.parametrize(
    ("words", "given", "said"),
    [
        ([NAME, "marked"], None, "not given on the command line"),
        ([NAME, "--marked"], None, "not given on the command line"),
        ([NAME, "-marked"], None, "not given on the command line"),
        ([f"{NAME}=marked"], None, "where a secret's name is wanted"),
        (["marked"], "x", "no sync here may name that secret"),
        (["others--marked"], "x", "no sync here may name that secret"),
        ([NAME], "", "there was no value"),
        ([NAME], " \n", "there was no value"),
        ([NAME], "marked" * 6000, "longer than the 25600 bytes"),
        ([NAME], b"marked\xff", "is no text"),
    ],
)
@pytest.mark.parametrize("json_asked", [[], ["--json"]])
def test_what_is_refused_is_not_said(
    azure: LocalIdentity, folder: Path, words: list[str], given: str | bytes | None, said: str, json_asked: list[str]
) -> None:
    """Exit code 1, nothing set, and nothing of what may be a secret on either stream."""
    result = call(folder, "set", *words, *json_asked, given=given)
    assert result.exit_code == 1
    assert said in " ".join(result.stderr.split())
    assert "marked" not in result.output
    assert azure.vault.newest() == []


def test_a_broken_definition_s_secrets_can_be_set(azure: LocalIdentity, folder: Path) -> None:
    """The definition may lack the secret in order to be mended."""
    assert call(folder, "set", "torn--a", given="marked").exit_code == 0


def test_without_the_role_it_says_so(azure: LocalIdentity, folder: Path) -> None:
    """The role that setting needs; the value is not said."""
    azure.rights.revoke(azure.machine_id)
    result = call(folder, "set", NAME, given="marked")
    assert (result.exit_code, "Key Vault Secrets Officer" in result.stderr) == (1, True)
    assert "marked" not in result.output


def test_the_environment_cannot_be_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the variable, and reads no value."""
    monkeypatch.delenv("DYNSYNC_KEY_VAULT_URL", raising=False)
    result = call(folder, "set", NAME, given="marked")
    assert result.exit_code == 1
    assert "DYNSYNC_SECRET_CITIES__CLIENT_SECRET" in result.stderr
    assert "marked" not in result.output


def test_the_list_tells_names_states_and_syncs(azure: LocalIdentity, folder: Path) -> None:
    """Those that a sync names, and those that it may name; no other's, and no value."""
    azure.vault.put(NAME, "marked")
    azure.vault.put("cities--client-id", "marked", enabled=False)
    azure.vault.put("Cities--old", "marked")
    azure.vault.put("others--x", "marked")
    said = json.loads(call(folder, "list", "--json").stdout)
    assert said["secrets"] == [
        {"name": "cities--client-id", "state": "disabled", "syncs": ["cities"]},
        {"name": NAME, "state": "set", "syncs": ["cities"]},
        {"name": "cities--old", "state": "set", "syncs": []},
        {"name": "cities--tenant-id", "state": "missing", "syncs": ["cities"]},
    ]
    text = call(folder, "list").output
    assert f"Secrets in the key vault {azure.vault_url}:" in text
    assert "named by cities" in text
    assert "named by no sync" in text
    assert "marked" not in text
    assert "others" not in text


def test_the_list_of_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set and missing, of those that are named."""
    monkeypatch.delenv("DYNSYNC_KEY_VAULT_URL", raising=False)
    monkeypatch.setenv("DYNSYNC_SECRET_CITIES__CLIENT_ID", "marked")
    said = json.loads(call(folder, "list", "--json").stdout)
    assert said["place"] == "the environment"
    assert {entry["name"]: entry["state"] for entry in said["secrets"]} == {
        "cities--client-id": "set",
        NAME: "missing",
        "cities--tenant-id": "missing",
    }


def typed(folder: Path, *lines: str) -> tuple[int, str]:
    """Types at a terminal of its own; the exit code, and all that the terminal showed."""
    command = [sys.executable, "-m", "shared.cli", "secrets", "set", NAME, "--syncs", str(folder / "syncs")]
    outer, inner = pty.openpty()
    shown = b""
    with subprocess.Popen(
        command, cwd=ROOT, stdin=inner, stdout=inner, stderr=inner, start_new_session=True
    ) as process:
        os.close(inner)
        for line in lines:
            shown += seen_until(outer, b": ")
            os.write(outer, line.encode() + b"\n")
        shown += seen_until(outer, None)
        code = process.wait(60)
    os.close(outer)
    return code, shown.decode()


def seen_until(terminal: int, mark: bytes | None) -> bytes:
    """What the terminal shows up to the mark, or to its end."""
    shown = b""
    while select.select([terminal], [], [], 60)[0]:
        try:
            part = os.read(terminal, 1024)
        except OSError:  # the other side is closed
            return shown
        shown += part
        if not part or (mark is not None and shown.endswith(mark)):
            return shown
    return shown


def test_at_a_terminal_it_is_asked_for_twice_without_echo(azure: LocalIdentity, folder: Path) -> None:
    """What is typed is not shown; two that differ are asked for again."""
    code, shown = typed(folder, "marked-1", "marked-2", "marked-3", "marked-3")
    assert code == 0, shown
    assert azure.vault.get(NAME).value == "marked-3"
    assert shown.count("Value: ") == shown.count("The same again: ") == 2
    assert "marked" not in shown
