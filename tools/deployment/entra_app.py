"""The registration in Entra that signs people in: made before Bicep runs, finished after it, found again next time.

`before` makes it with its app roles and keeps its client id with `azd env set`. `after` adds the app's address, lets
the app's identity vouch for it (so there is no client secret), and gives whoever deploys the role dynsync.admin.
DYNSYNC_SIGN_IN=off skips both; then the page stays closed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROLES = Path(__file__).parents[2] / "infra/app-roles.json"
GRAPH = "https://graph.microsoft.com/v1.0"
AZURE_CLI = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
"""The Azure command line's own application, with which `dynsync --app` signs in. Source: Microsoft Learn, "First-party
Microsoft applications in sign-in reports"."""
_NAMESPACE = uuid.UUID("8a2f7d5e-0f0b-4f53-9f55-0f7f4a1c2b6d")
Run = Callable[[Sequence[str]], str]
"""Runs a command and gives what it writes; raises CalledProcessError."""


class Registration:
    """The registration of one environment. `env` is azd's; `say` tells a person."""

    def __init__(self, env: Mapping[str, str], run: Run, say: Callable[[str], None]) -> None:
        self._env, self._run, self._say = env, run, say

    def before(self) -> None:
        """Make the registration, unless there is one."""
        if self._env.get("DYNSYNC_SIGN_IN_CLIENT_ID"):
            return
        name = f"Dynamics Sync {self._env['AZURE_ENV_NAME']}"
        try:
            client_id = self._found(name) or self._made(name)
        except subprocess.CalledProcessError as error:
            self._say(
                "The registration in Entra could not be made (the Application Developer role is needed): "
                f"{_last_line(error)}\nThe deployment goes on; the page stays closed until somebody makes it "
                "(docs/deploy.md, Signing in)."
            )
            return
        self._run(["azd", "env", "set", "DYNSYNC_SIGN_IN_CLIENT_ID", client_id])

    def after(self) -> None:
        """Finish the registration with what the deployment has made."""
        client_id = self._env.get("DYNSYNC_SIGN_IN_CLIENT_ID", "")
        if not client_id:
            return
        try:
            self._finish(client_id)
        except subprocess.CalledProcessError as error:
            self._say(
                f"The registration {client_id} could not be finished: {_last_line(error)} (docs/deploy.md, Signing in)"
            )

    def _found(self, name: str) -> str:
        query = ["--display-name", name, "--query", f"[?displayName=='{name}'].appId | [0]", "--output", "tsv"]
        return self._run(["az", "ad", "app", "list", *query]).strip()

    def _made(self, name: str) -> str:
        options = [
            "--sign-in-audience",
            "AzureADMyOrg",
            "--enable-id-token-issuance",
            "true",
            "--app-roles",
            f"@{ROLES}",
        ]
        made = ["az", "ad", "app", "create", "--display-name", name, *options, "--query", "appId", "--output", "tsv"]
        return self._run(made).strip()

    def _finish(self, client_id: str) -> None:
        wanted = "{id: id, addresses: web.redirectUris, api: api}"
        show = ["az", "ad", "app", "show", "--id", client_id, "--query", wanted, "--output", "json"]
        there = json.loads(self._run(show))
        callback = f"{self._env['DYNSYNC_APP_URL']}/.auth/login/aad/callback"
        addresses = dict.fromkeys([*(there.get("addresses") or []), callback])
        uris = ["--identifier-uris", f"api://{client_id}", "--web-redirect-uris", *addresses]
        self._run(["az", "ad", "app", "update", "--id", client_id, *uris])
        self._open_to_the_command_line(client_id, there["id"], there.get("api") or {})
        self._trust_the_app(client_id)
        self._admit(self._principal(client_id))

    def _open_to_the_command_line(self, client_id: str, object_id: str, there: Mapping[str, Any]) -> None:
        """A scope that callers ask for, and the Azure command line as one who need not ask for consent; what somebody
        has added beside them stays."""
        scope = {
            "id": str(uuid.uuid5(_NAMESPACE, client_id)),
            "value": "user_impersonation",
            "type": "User",
            "isEnabled": True,
            "adminConsentDisplayName": "Use Dynamics Sync",
            "adminConsentDescription": "Use Dynamics Sync in the name of whoever is signed in.",
        }
        scopes = [one for one in there.get("oauth2PermissionScopes") or [] if one["id"] != scope["id"]]
        others = [one for one in there.get("preAuthorizedApplications") or [] if one["appId"] != AZURE_CLI]
        # Tokens of version 2: those of version 1 have another issuer than the one that the platform asks for.
        self._patch(object_id, {"api": {"requestedAccessTokenVersion": 2, "oauth2PermissionScopes": [*scopes, scope]}})
        known = {"appId": AZURE_CLI, "delegatedPermissionIds": [scope["id"]]}
        self._patch(object_id, {"api": {"preAuthorizedApplications": [*others, known]}})

    def _patch(self, object_id: str, body: object) -> None:
        url = f"{GRAPH}/applications/{object_id}"
        self._run(["az", "rest", "--method", "PATCH", "--url", url, "--body", json.dumps(body)])

    def _trust_the_app(self, client_id: str) -> None:
        """A federated credential: the app's identity stands in for a client secret."""
        listed = ["az", "ad", "app", "federated-credential", "list", "--id", client_id]
        subject = self._env["DYNSYNC_APP_PRINCIPAL_ID"]
        if subject in self._run([*listed, "--query", "[].subject", "--output", "tsv"]).split():
            return
        credential = {
            "name": f"dynsync-{subject[:8]}",
            "issuer": f"https://login.microsoftonline.com/{self._env['AZURE_TENANT_ID']}/v2.0",
            "subject": subject,
            "audiences": ["api://AzureADTokenExchange"],
        }
        made = ["az", "ad", "app", "federated-credential", "create", "--id", client_id]
        self._run([*made, "--parameters", json.dumps(credential)])

    def _principal(self, client_id: str) -> str:
        """The object id of the registration's service principal, made when there is none."""
        query = ["--query", "[0].id", "--output", "tsv"]
        found = self._run(["az", "ad", "sp", "list", "--filter", f"appId eq '{client_id}'", *query]).strip()
        return (
            found
            or self._run(["az", "ad", "sp", "create", "--id", client_id, "--query", "id", "--output", "tsv"]).strip()
        )

    def _admit(self, resource: str) -> None:
        """Who deploys gets dynsync.admin; the others are added in Entra."""
        person = self._env.get("AZURE_PRINCIPAL_ID", "")
        if not person:
            return
        admin = next(role["id"] for role in json.loads(ROLES.read_text("utf-8")) if role["value"] == "dynsync.admin")
        url = f"{GRAPH}/servicePrincipals/{resource}/appRoleAssignedTo"
        held = self._run(["az", "rest", "--url", url, "--query", "value[].principalId", "--output", "tsv"]).split()
        if person not in held:
            body = {"principalId": person, "resourceId": resource, "appRoleId": admin}
            self._run(["az", "rest", "--method", "POST", "--url", url, "--body", json.dumps(body)])


def _last_line(error: subprocess.CalledProcessError) -> str:
    lines = str(error.stderr or error).strip().splitlines()
    return lines[-1] if lines else "no reason was given"


def run(command: Sequence[str]) -> str:
    """Run a command; its complaints are kept for the error."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own words


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def main() -> None:
    """`before` or `after`."""
    step = sys.argv[1] if len(sys.argv) == 2 else ""
    if step not in ("before", "after"):
        raise SystemExit("usage: tools/entra-app before|after (azd runs it; docs/deploy.md, Signing in)")
    if os.environ.get("DYNSYNC_SIGN_IN", "on") == "off":
        sys.stdout.write("DYNSYNC_SIGN_IN=off: no registration in Entra; the page stays closed\n")
        return
    registration = Registration(os.environ, run, _say)
    registration.before() if step == "before" else registration.after()


if __name__ == "__main__":
    main()
