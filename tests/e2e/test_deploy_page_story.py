"""The first sync as docs/deploy.md tells it: its own commands, in its order, from an empty folder with a key vault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from local.dataverse import CLIENT_ID, CLIENT_SECRET, LocalDataverse
from local.identity import LocalIdentity
from local.identity.vault.rights import OFFICER
from shared.cli.root import dynsync

PAGE = (Path(__file__).parents[2] / "docs/deploy.md").read_text("utf-8")
WAITS = 3
NAME = "accounts-from-erp"


def told(*headings: str) -> list[list[str]]:
    """The words of each command of ours below these headings, up to where the page leaves this machine."""
    parts = [re.split(rf"^## {re.escape(heading)}$", PAGE, maxsplit=1, flags=re.MULTILINE)[1] for heading in headings]
    typed = [line for part in parts for line in re.split(r"^## ", part, maxsplit=1, flags=re.MULTILINE)[0].splitlines()]
    ours = [line.partition("#")[0].split()[1:] for line in typed if line.startswith("./dynsync ")]
    return [words for words in ours if "--app" not in words]


@dataclass
class Newcomer:
    """Somebody with an empty folder, a file, an environment and a vault without secrets."""

    dataverse: LocalDataverse
    vault: LocalIdentity
    folder: Path

    def types(self, words: list[str], answer: str | None = None) -> Result:
        folders = ["--syncs", str(self.folder / "syncs"), "--state", str(self.folder / "state")]
        runner = CliRunner(env=dict(self.vault.environment))
        return runner.invoke(dynsync, [*words, *folders], input=answer, catch_exceptions=False)


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Newcomer]:
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs/reach.yaml").write_text("folders: [../in]\n", "utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/accounts.csv").write_text("accountnumber,name\nA1,One\nA2,Two\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    with LocalDataverse() as dataverse, LocalIdentity() as vault:
        vault.rights.grant(vault.machine_id, OFFICER)
        yield Newcomer(dataverse, vault, tmp_path)


def made(output: str) -> str:
    """The job's id, from what `plan` says to go on with."""
    found = re.search(r"apply ([\w-]+)", output)
    assert found, output
    return found[1]


def test_the_page_works_as_it_is_written(newcomer: Newcomer) -> None:
    """Definition, secrets, definition with a look at the table, check, role, doctor, plan, apply: each ends well."""
    said: dict[str, str] = {}
    answers = {f"{NAME}--client-id": CLIENT_ID, f"{NAME}--client-secret": CLIENT_SECRET}
    for words in told("4. Secrets and a definition", "5. The role and the first sync"):
        typed = [*words]
        if words[0] == "init":
            typed += ["--source", "in/accounts.csv", "--entity", "account", "--key", "accountnumber", "--yes"]
            typed += ["--service-url", newcomer.dataverse.url]
        if words[0] == "apply":
            typed = ["apply", made(said["plan"])]
        ended = newcomer.types(typed, answers.get(words[-1]))
        assert ended.exit_code == 0 or (words[0], ended.exit_code) == ("plan", WAITS), (words, ended.output)
        said[" ".join(words[:2]) if words[0] == "secrets" else words[0]] = ended.output
    assert said["secrets list"].count(" set ") == 2
    assert {row["accountnumber"] for row in newcomer.dataverse.rows("account")} == {"A1", "A2"}
    assert {"role.csv", "role.json"} <= {path.name for path in newcomer.folder.iterdir()}


def test_a_secret_before_its_definition_is_refused(newcomer: Newcomer) -> None:
    """Why the page is in that order."""
    assert newcomer.types(["secrets", "set", f"{NAME}--client-id"], "x").exit_code == 1
