"""A definition is changed in the running app: over real HTTP, by people of several rights, and by the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import requests
from click.testing import CliRunner, Result

from shared.cli.remote import RemoteApp
from shared.cli.remote.line import Line
from shared.cli.root import dynsync
from shared.cli.session import Session
from tests.e2e.test_hosted_story import Cloud, cloud, until
from tests.unit.web.conftest import principal

__all__ = ["cloud"]
AT = "/api/syncs/accounts/definition"
PERMISSIONS = "permissions: { admin: [crm-admins], write: [crm-writers], execute: [crm-operators] }\n"
MAPPING = "  - { source: name, target: name }\n"


class Person:
    """Somebody with a name and groups, as App Service tells of them, before one app."""

    def __init__(self, url: str, name: str, *groups: str) -> None:
        self.url, self.session = url, requests.Session()
        self.session.headers.update(principal(*groups, preferred_username=name))

    def get(self, path: str) -> Any:
        """What is told there."""
        return self.session.get(self.url + path, timeout=60).json()

    def save(self, text: str, number: int) -> requests.Response:
        """Put a text in the definition's place, having read this revision."""
        tag = {"If-Match": f'"{number}"'}
        return self.session.put(self.url + AT, json={"text": text, "note": "by hand"}, headers=tag, timeout=60)

    def command(self, *words: str) -> Result:
        """What the command says, spoken to the app."""
        app = RemoteApp(Line(self.url, None, self.session))
        return CliRunner().invoke(dynsync, [*words, "--app", self.url], obj=Session(open_remote=lambda _: app))

    def ran(self) -> dict[str, Any]:
        """A job of the sync, once it has ended."""
        job = self.session.post(f"{self.url}/api/syncs/accounts/jobs", json={}, timeout=60).json()["id"]
        until(lambda: self.get(f"/api/jobs/{job}")["state"] not in ("Queued", "Running"))
        ended: dict[str, Any] = self.get(f"/api/jobs/{job}")
        return ended


def test_a_definition_is_changed_in_the_running_app(cloud: Cloud, tmp_path: Path) -> None:
    """A column comes along; a secret takes an administrator; of two editors one is first; the command gives it back."""
    file = tmp_path / "syncs/accounts.yaml"
    text = file.read_text("utf-8").replace("{ name: name }]", "{ name: name }, { name: phone }]") + PERMISSIONS
    file.write_text(text, "utf-8")
    (tmp_path / "customers.csv").write_text("number,name,phone\nC-1,One,+31 1\n", "utf-8")
    host = cloud.start(WEBSITE_AUTH_ENABLED="true")
    nia = Person(cloud.url, "nia@contoso.com", "crm-writers", "crm-operators")
    otto = Person(cloud.url, "otto@contoso.com", "crm-admins")
    rows = lambda: [(row["accountnumber"], row["telephone1"]) for row in cloud.dataverse.rows("account")]  # noqa: E731
    assert nia.ran()["state"] == "Succeeded"
    assert rows() == [("C-1", None)]

    secret = text.replace("accounts--secret", "accounts--other-secret")
    refused = nia.save(secret, 0)
    assert (refused.status_code, "destination.client_secret" in refused.json()["detail"]) == (403, True)
    with_phone = text.replace(MAPPING, MAPPING + "  - { source: phone, target: telephone1 }\n")
    assert (nia.save(with_phone, 0).status_code, nia.save(with_phone, 0).status_code) == (200, 412)
    late = otto.save(secret, 0)
    assert (late.status_code, "nia@contoso.com" in late.json()["detail"]) == (412, True)

    assert nia.ran()["source"]["updated"] == 1
    assert rows() == [("C-1", "+31 1")]

    ended = nia.command("definition", "show", "accounts")
    assert (ended.stdout, "revision 1, saved by nia@contoso.com" in ended.stderr) == (with_phone, True)
    (tmp_path / "mine.yaml").write_text(with_phone.replace("One", "") + "title: Customers\n", "utf-8")
    ended = otto.command("definition", "save", "accounts", str(tmp_path / "mine.yaml"), "-m", "a title")
    assert (ended.exit_code, "+title: Customers" in ended.stdout, "revision 2" in ended.stdout) == (0, True, True)
    assert "-title: Customers" not in nia.command("definition", "diff", "accounts").stdout
    assert "did you mean accounts?" in nia.command("definition", "show", "acounts").stderr
    ended = nia.command("definition", "drop", "accounts", "-m", "in git now")
    assert (ended.exit_code, "its file's again" in ended.stdout) == (0, True)
    history = json.loads(nia.command("definition", "history", "accounts", "--json").stdout)
    assert [(one["number"], one["by"], one["note"]) for one in history] == [
        (3, "nia@contoso.com", "in git now"), (2, "otto@contoso.com", "a title"), (1, "nia@contoso.com", "by hand"),
    ]  # fmt: skip
    assert nia.get(AT)["text"] == text
    assert any("call.refused" in line and "secrets" in line for line in host.lines)
    assert not any("other-secret" in line for line in host.lines)
