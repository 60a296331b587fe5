"""The registration in Entra: made once, finished once, found again; and what is told when it may not be made."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence

from tools.deployment.entra_app import AZURE_CLI, ROLES, Registration

ENV = {
    "AZURE_ENV_NAME": "dev",
    "AZURE_TENANT_ID": "tenant-1",
    "AZURE_PRINCIPAL_ID": "person-1",
    "DYNSYNC_APP_URL": "https://func.azurewebsites.net",
    "DYNSYNC_APP_PRINCIPAL_ID": "identity-1",
}


class Entra:
    """A directory that answers the commands which the tool sends, and refuses every other one."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.env: dict[str, str] = {}
        self.apps: dict[str, str] = {}
        self.subjects: list[str] = []
        self.principals: list[str] = []
        self.admitted: list[str] = []
        self.patches: list[dict[str, object]] = []
        self.updates: list[Sequence[str]] = []
        self.there: dict[str, object] = {"addresses": [], "api": None}
        self._refuses = refuses

    def run(self, command: Sequence[str]) -> str:
        if self._refuses:
            raise subprocess.CalledProcessError(1, command, stderr="ERROR: noise\nERROR: Insufficient privileges")
        match list(command):
            case ["azd", "env", "set", name, value]:
                self.env[name] = value
            case ["az", "ad", "app", "list", "--display-name", name, *_]:
                return self.apps.get(name, "")
            case ["az", "ad", "app", "create", "--display-name", name, *rest]:
                assert any(part.startswith("@") and part.endswith("app-roles.json") for part in rest)
                self.apps[name] = "client-1"
                return "client-1\n"
            case ["az", "ad", "app", "update", "--id", "client-1", *rest]:
                self.updates.append(rest)
            case ["az", "ad", "app", "show", *_]:
                return json.dumps({"id": "object-1", **self.there})
            case ["az", "ad", "app", "federated-credential", "list", *_]:
                return "\n".join(self.subjects)
            case ["az", "ad", "app", "federated-credential", "create", *_, body]:
                self.subjects.append(json.loads(body)["subject"])
            case ["az", "ad", "sp", "list", *_]:
                return self.principals[0] if self.principals else ""
            case ["az", "ad", "sp", "create", *_]:
                self.principals.append("principal-1")
                return "principal-1\n"
            case ["az", "rest", "--method", "PATCH", "--url", _, "--body", body]:
                self.patches.append(json.loads(body)["api"])
            case ["az", "rest", "--method", "POST", "--url", url, "--body", body]:
                assert "principal-1/appRoleAssignedTo" in url
                self.admitted.append(json.loads(body)["principalId"])
            case ["az", "rest", "--url", *_]:
                return "\n".join(self.admitted)
            case _:
                raise AssertionError(command)
        return ""


def deploy(entra: Entra) -> list[str]:
    """What azd does: before, provision, after."""
    said: list[str] = []
    Registration(ENV | entra.env, entra.run, said.append).before()
    Registration(ENV | entra.env, entra.run, said.append).after()
    return said


def test_the_first_deployment_makes_and_finishes_it() -> None:
    """Roles, address, scope, the app's identity as credential, and the one who deploys as administrator."""
    entra = Entra()
    assert deploy(entra) == []
    assert entra.apps == {"Dynamics Sync dev": "client-1"}
    assert entra.env == {"DYNSYNC_SIGN_IN_CLIENT_ID": "client-1"}
    assert "https://func.azurewebsites.net/.auth/login/aad/callback" in entra.updates[0]
    assert entra.subjects == ["identity-1"]
    assert entra.admitted == ["person-1"]
    scopes, known = entra.patches
    assert scopes["oauth2PermissionScopes"][0]["value"] == "user_impersonation"  # type: ignore[index]
    assert known["preAuthorizedApplications"][0]["appId"] == AZURE_CLI  # type: ignore[index]


def test_the_next_deployment_makes_nothing_twice() -> None:
    """Registration, credential and rights are found; also when azd has forgotten the client id."""
    entra = Entra()
    deploy(entra)
    entra.env.clear()
    deploy(entra)
    assert len(entra.apps) == len(entra.subjects) == len(entra.principals) == len(entra.admitted) == 1


def test_what_somebody_has_added_stays() -> None:
    """The address of a domain of one's own, another scope, another application that need not ask: no deployment takes
    them away, and none is there twice."""
    entra = Entra()
    own, ours = (
        "https://sync.contoso.com/.auth/login/aad/callback",
        "https://func.azurewebsites.net/.auth/login/aad/callback",
    )
    deploy(entra)
    scope = entra.patches[0]["oauth2PermissionScopes"][0]  # type: ignore[index]
    entra.there = {
        "addresses": [ours, own],
        "api": {
            "oauth2PermissionScopes": [scope, {"id": "s-2", "value": "more"}],
            "preAuthorizedApplications": [{"appId": "app-2"}, {"appId": AZURE_CLI}],
        },
    }
    deploy(entra)
    assert [part for part in entra.updates[1] if part.startswith("https://")] == [ours, own]
    scopes, known = entra.patches[2:]
    assert sorted(one["value"] for one in scopes["oauth2PermissionScopes"]) == ["more", "user_impersonation"]  # type: ignore[attr-defined]
    assert sorted(one["appId"] for one in known["preAuthorizedApplications"]) == sorted([AZURE_CLI, "app-2"])  # type: ignore[attr-defined]


def test_the_platform_asks_for_the_tokens_that_the_registration_gives() -> None:
    """Its issuer is that of version 2, and so are the tokens: of version 1, every caller would be refused."""
    bicep = (ROLES.parent / "modules/app-settings.bicep").read_text("utf-8")
    assert re.search(r"openIdIssuer: '.*/v2\.0'", bicep)
    entra = Entra()
    deploy(entra)
    assert [patch["requestedAccessTokenVersion"] for patch in entra.patches if "oauth2PermissionScopes" in patch] == [2]


def test_who_may_not_register_is_told_and_the_deployment_goes_on() -> None:
    """The page stays closed, and it says what is missing."""
    (said,) = deploy(Entra(refuses=True))
    assert "Insufficient privileges" in said
    assert "page stays closed" in said
