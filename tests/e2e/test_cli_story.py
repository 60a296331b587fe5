"""The five minutes of the README: init, check, plan, apply, run, rejects; against the local Dataverse."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local.dataverse.server import LocalDataverse
from shared.cli.dataverse import WELL_KNOWN
from shared.cli.root import dynsync
from tests.e2e import customers


class Terminal:
    """Types commands in a folder, with the secrets in the environment."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self._runner = CliRunner(
            env={
                "DYNSYNC_SECRET_CUSTOMERS__CLIENT_ID": WELL_KNOWN["client_id"],
                "DYNSYNC_SECRET_CUSTOMERS__CLIENT_SECRET": WELL_KNOWN["client_secret"],
            }
        )

    def type(self, *words: str) -> Result:
        return self._runner.invoke(dynsync, [*words, "--quiet"], catch_exceptions=False)

    def read(self, *words: str) -> Any:
        return json.loads(self.type(*words, "--json").stdout)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    monkeypatch.chdir(tmp_path)
    customers.write_records(tmp_path / "customers.csv", customers.made_up_records())
    with LocalDataverse(None, None, port=0) as server:
        yield Terminal(tmp_path, server.url)


def test_a_first_sync_in_five_minutes(terminal: Terminal) -> None:
    """What `init` writes passes `check`; a plan is applied; a second run writes nothing; a reject ends with 2."""
    made = terminal.type("init", "--source", "customers.csv", "--service-url", terminal.url, "--yes")
    assert made.exit_code == 0, made.stderr
    checked = terminal.type("check")
    assert (checked.exit_code, checked.stdout) == (0, "customers: fine\n")

    planned = terminal.type("plan", "customers")
    assert planned.exit_code == 3, planned.stdout
    (job,) = terminal.read("jobs")
    assert terminal.type("apply", job["id"][:-1]).exit_code == 0
    assert terminal.read("show", job["id"])["job"]["source"]["created"] == 100

    again = terminal.read("run", "customers")
    assert (again["state"], again["planned"], again["source"]["unchanged"]) == ("Succeeded", {}, 100)
    assert "balances" in terminal.type("show", again["id"]).stdout

    records = customers.made_up_records()
    customers.write_records(terminal.folder / "customers.csv", [{**records[0], "credit": "a lot"}, *records[1:]])
    assert terminal.type("run", "customers").exit_code == 2
    (last,) = terminal.read("jobs", "--limit", "1")
    assert (last["source"]["rejected"], last["source"]["unchanged"]) == (1, 99)
    (reject,) = terminal.read("rejects", last["id"])["rejects"]
    assert (reject["row"], reject["column"], reject["type"]) == (1, "credit", "Invalid Format")


@pytest.mark.parametrize("third", ["B,y,13,n/a,31/02/2024", "B,y,13,,", "B,y,13,7.5,2024-02-28"])
def test_what_init_writes_passes_check_whatever_the_file(terminal: Terminal, third: str) -> None:
    """A number whose name sounds like a code, a column that is empty in the sample, a value that cannot be read."""
    lines = ["accountnumber,Account Name,Number of Employees,creditlimit,new_openedon", "A,x,12,,", third]
    (terminal.folder / "odd.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = ["--source", "odd.csv", "--entity", "account", "--service-url", terminal.url, "--yes"]
    made = terminal.type("init", "customers", *options)
    assert made.exit_code == 0, made.stderr
    checked = terminal.type("check", "customers")
    assert (checked.exit_code, checked.stdout) == (0, "customers: fine\n")


def test_the_file_of_the_readme_shows_what_the_readme_says(terminal: Terminal) -> None:
    """Word for word: `init` makes a sound definition of it, its plan has three creates, and one record is a reject."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    written = re.search(r"^cat > (\S+) <<'END'\n(.*?)^END$", readme, flags=re.MULTILINE | re.DOTALL)
    assert written is not None
    assert all(f"={value}\n" in readme for value in WELL_KNOWN.values())
    (terminal.folder / written[1]).write_text(written[2], encoding="utf-8")
    options = ["--source", written[1], "--service-url", terminal.url, "--yes"]
    assert terminal.type("init", "customers", *options).exit_code == 0
    assert terminal.type("check", "customers").stdout == "customers: fine\n"
    planned = terminal.read("plan", "customers")
    assert (planned["planned"], planned["source"]["rejected"]) == ({"create": 3}, 1)
