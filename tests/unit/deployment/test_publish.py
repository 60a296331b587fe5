"""The package on its way to the app: unbuilt, to the app's own deployment site, and waited for."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tools.deployment.publish import TRIES, Answer, Publisher

NUMBER = "0d000000-0000-4000-8000-00000000c1d2"
SITE = "func-abc123.scm.westeurope-01.azurewebsites.net"
FLEX = {
    "functionAppConfig": {"runtime": {"name": "python"}},
    "hostNameSslStates": [
        {"name": "func-abc123.westeurope-01.azurewebsites.net", "hostType": "Standard"},
        {"name": SITE, "hostType": "Repository"},
    ],
}


class Azure:
    """A command line and a deployment site. `seen` are the statuses that the deployment has, one after the other."""

    def __init__(self, site: dict[str, Any], *seen: int, taken: int = 202, body: bytes = NUMBER.encode()) -> None:
        self.ran: list[list[str]] = []
        self.sent: list[urllib.request.Request] = []
        self.paused: list[float] = []
        self._site, self._seen, self._taken = site, list(seen), Answer(taken, body)

    def run(self, command: Sequence[str]) -> str:
        self.ran.append(list(command))
        return json.dumps({"properties": self._site}) if "show" in command else "token-1\n"

    def send(self, request: urllib.request.Request) -> Answer:
        self.sent.append(request)
        if request.get_method() == "POST":
            return self._taken
        status = self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]
        return Answer(202 if status < 3 else 200, json.dumps({"status": status, "message": "why"}).encode())


def publish(azure: Azure, folder: Path, *, container: str = "") -> str:
    package = folder / "app.zip"
    package.write_bytes(b"PK-package")
    publisher = Publisher("rg", "func", container=container, run=azure.run, send=azure.send, sleep=azure.paused.append)
    return publisher.publish(package)


def test_flex_takes_the_package_unbuilt(tmp_path: Path) -> None:
    """Sent whole, with the caller's token, to the deployment site; told only when it is there."""
    azure = Azure(FLEX, 0, 1, 4)
    assert "deployed" in publish(azure, tmp_path)
    post, *looks = azure.sent
    assert post.full_url.startswith(f"https://{SITE}/api/publish?RemoteBuild=false")
    assert (post.data, post.get_header("Authorization")) == (b"PK-package", "Bearer token-1")
    assert {look.full_url for look in looks} == {f"https://{SITE}/api/deployments/{NUMBER}"}
    assert (len(looks), len(azure.paused)) == (3, 2)
    assert not any("config-zip" in words for words in azure.ran)


@pytest.mark.parametrize(
    ("azure", "says"),
    [
        (Azure(FLEX, 3), "the deployment failed: why"),
        (Azure(FLEX, 4, taken=403, body=b'{"message":"not you"}'), "with 403: not you"),
        (Azure(FLEX, 4, taken=302), "with 302"),
        (Azure(FLEX, 4, taken=0, body=b""), "with 0"),
        (Azure(FLEX, 1), "not ended"),
    ],
)
def test_what_was_not_taken_is_told(azure: Azure, says: str, tmp_path: Path) -> None:
    """A refusal, a failure, and a deployment without end stop the pipeline."""
    with pytest.raises(SystemExit, match=says):
        publish(azure, tmp_path)
    assert len(azure.paused) in (0, TRIES)


@pytest.mark.parametrize("host", ["evil.example.com", "func.scm.evil.com/x", "", "func.azurewebsites.net"])
def test_the_token_goes_to_a_deployment_site_alone(host: str, tmp_path: Path) -> None:
    """What is no address of one is refused before anything is sent."""
    azure = Azure(FLEX | {"hostNameSslStates": [{"name": host, "hostType": "Repository"}]}, 4)
    with pytest.raises(SystemExit, match="no deployment site"):
        publish(azure, tmp_path)
    assert azure.sent == []


def test_a_dedicated_plan_keeps_its_usual_way(tmp_path: Path) -> None:
    """The command line sends it there, and builds nothing."""
    azure = Azure({"sku": "PremiumV3"})
    publish(azure, tmp_path)
    assert azure.ran[-1][:5] == ["az", "functionapp", "deployment", "source", "config-zip"]
    assert "--build-remote" not in azure.ran[-1]


def test_premium_runs_from_its_container(tmp_path: Path) -> None:
    """The package is laid there and the app begins anew; without its address nothing is done."""
    azure = Azure({"sku": "ElasticPremium"})
    publish(azure, tmp_path, container="https://sthost.blob.core.windows.net/packages/")
    upload, restart = azure.ran[1:]
    assert "https://sthost.blob.core.windows.net/packages/app.zip" in upload
    assert restart[:3] == ["az", "functionapp", "restart"]
    with pytest.raises(SystemExit, match="DYNSYNC_PACKAGE_CONTAINER"):
        publish(Azure({"sku": "ElasticPremium"}), tmp_path)


def test_without_a_package_nothing_is_asked() -> None:
    """The command says what makes it."""
    command = ["tools/publish", "--group", "rg", "--app", "func", "--package", "nowhere.zip"]
    ran = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "tools/package" in ran.stderr
