"""Sends the prepared package to the function app, as it is: what was tested is what runs.

Flex Consumption takes it at the app's deployment site. The Azure command line's own `config-zip` builds Python apps of
that plan again in Azure, whatever it is told, so this asks the site itself. The other plans have their usual ways.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRIES = 60
PAUSE_S = 10.0
_FAILED, _DONE = 3, 4
"""What becomes of a deployment. Source: "Kudu REST API", deployment status."""
_ID = re.compile(r"[0-9a-f-]{36}|[0-9a-f]{32,40}")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.scm(?:\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the body."""

    status: int
    body: bytes = b""

    def member(self, name: str) -> Any:
        """A member of a JSON object; None when there is none."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found.get(name) if isinstance(found, dict) else None


Run = Callable[[Sequence[str]], str]
"""Runs a command and gives what it writes; raises CalledProcessError."""
Send = Callable[[urllib.request.Request], Answer]


class Publisher:
    """Sends packages to one app. `container` is where the premium plan looks for its package."""

    def __init__(
        self, group: str, app: str, *, container: str, run: Run, send: Send, sleep: Callable[[float], None]
    ) -> None:
        self._names = ["--resource-group", group, "--name", app]
        self._container = container.rstrip("/")
        self._run, self._send, self._sleep = run, send, sleep

    def publish(self, package: Path) -> str:
        """Send it; gives a sentence.

        Raises:
            SystemExit: it was not taken, or not to its end.
            CalledProcessError: the Azure command line could not do its part.
        """
        kind = ["--resource-type", "Microsoft.Web/sites", "--api-version", "2024-04-01", "--output", "json"]
        site = json.loads(self._run(["az", "resource", "show", *self._names, *kind]))["properties"]
        if site.get("functionAppConfig"):
            return self._to_the_site(_deployment_site(site), package)
        if site.get("sku") == "ElasticPremium":
            return self._to_the_container(package)
        self._run(["az", "functionapp", "deployment", "source", "config-zip", *self._names, "--src", str(package)])
        return "the package is deployed"

    def _to_the_site(self, host: str, package: Path) -> str:
        token = self._run(["az", "account", "get-access-token", "--query", "accessToken", "--output", "tsv"]).strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/zip"}
        url = f"https://{host}/api/publish?RemoteBuild=false&Deployer=dynsync"
        taken = self._send(urllib.request.Request(url, package.read_bytes(), headers, method="POST"))
        if taken.status not in (200, 202):
            raise SystemExit(f"the deployment site refused the package with {taken.status}: {_said(taken)}")
        number = taken.body.decode("utf-8", "replace").strip().strip('"')
        look = f"https://{host}/api/deployments/{number if _ID.fullmatch(number) else 'latest'}"
        return self._waited(urllib.request.Request(look, headers={"Authorization": f"Bearer {token}"}))

    def _waited(self, look: urllib.request.Request) -> str:
        for _ in range(TRIES):
            seen = self._send(look)
            if seen.member("status") == _DONE:
                return "the package is deployed"
            if seen.member("status") == _FAILED:
                raise SystemExit(f"the deployment failed: {_said(seen)}")
            self._sleep(PAUSE_S)
        raise SystemExit(
            f"the deployment has not ended after {TRIES * PAUSE_S / 60:.0f} minutes; look at it in the portal"
        )

    def _to_the_container(self, package: Path) -> str:
        if not self._container:
            raise SystemExit(
                "the premium plan runs its package from a container: give --container (the deployment's output "
                "DYNSYNC_PACKAGE_CONTAINER)"
            )
        blob = [
            "--auth-mode",
            "login",
            "--blob-url",
            f"{self._container}/app.zip",
            "--file",
            str(package),
            "--overwrite",
        ]
        self._run(["az", "storage", "blob", "upload", *blob])
        self._run(["az", "functionapp", "restart", *self._names])
        return "the package lies in its container, and the app has begun anew"


def _deployment_site(site: dict[str, Any]) -> str:
    """The host that takes packages; nothing else is ever sent the token."""
    states = site.get("hostNameSslStates") or []
    host = next((str(one.get("name")).lower() for one in states if one.get("hostType") == "Repository"), "")
    if not _HOST.fullmatch(host):
        raise SystemExit(f"the app tells no deployment site (found {host[:80]!r})")
    return host


def _said(answer: Answer) -> str:
    return str(answer.member("message") or answer.member("status_text") or "it gave no reason")[:500]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """The token goes to the deployment site alone."""
        return


def send(request: urllib.request.Request) -> Answer:
    """One request; refusals, redirects and silence (status 0) are answers too."""
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=600) as reply:
            return Answer(reply.status, reply.read(1_000_000))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.read(65_536))
    except OSError:
        return Answer(0)


def run(command: Sequence[str]) -> str:
    """Run a command; its complaints are shown."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603 - our own words


def main() -> None:
    """Publish, tell."""
    parser = argparse.ArgumentParser(prog="tools/publish", description=__doc__)
    parser.add_argument("--group", required=True, help="the resource group")
    parser.add_argument("--app", required=True, help="the function app's name")
    parser.add_argument("--package", type=Path, default=Path("dist/app.zip"), help="what tools/package has made")
    container = os.environ.get("DYNSYNC_PACKAGE_CONTAINER", "")
    parser.add_argument("--container", default=container, help="the package's container, for the premium plan")
    asked = parser.parse_args()
    if not asked.package.is_file():
        raise SystemExit(f"there is no package {asked.package}: tools/package makes it")
    publisher = Publisher(asked.group, asked.app, container=asked.container, run=run, send=send, sleep=time.sleep)
    try:
        sys.stdout.write(publisher.publish(asked.package) + "\n")
    except subprocess.CalledProcessError as error:
        raise SystemExit(f"`{' '.join(error.cmd[:3])} …` ended with {error.returncode}") from None


if __name__ == "__main__":
    main()
