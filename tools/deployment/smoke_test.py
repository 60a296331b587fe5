"""Looks at a deployed app from outside: is it up, does the platform sign people in, and which syncs are edited there?

Reads DYNSYNC_APP_URL (as `azd env get-values` has it, or `--url`). Ends with 1 when the app is not up. What is edited
is told to whoever is signed in with `az login` and holds the app role dynsync.read.
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
from collections.abc import Callable
from dataclasses import dataclass

TRIES = 30
PAUSE_S = 10.0
LOGIN = "/.auth/login/aad"
_CLIENT_ID = re.compile(r"[0-9a-fA-F-]{36}")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """What redirects is an answer too."""
        return


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, 0 when there was none, the body, and where a redirect leads."""

    status: int
    body: bytes = b""
    location: str = ""

    def member(self, name: str) -> object:
        """A member of a JSON object, or nothing."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found.get(name) if isinstance(found, dict) else None


Get = Callable[[str], Answer]


def get(url: str, token: str = "") -> Answer:
    """One request, signed with a token where there is one; no answer and refusals are answers too."""
    opener = urllib.request.build_opener(_NoRedirects)
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    try:
        with opener.open(request, timeout=30) as reply:
            return Answer(reply.status, reply.read(65_536))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.read(65_536), refusal.headers.get("Location", ""))
    except OSError:
        return Answer(0)


def look(
    url: str, fetch: Get, sleep: Callable[[float], None], *, tries: int = TRIES, signed: Get | None = None
) -> tuple[bool, list[str]]:
    """Whether the app is up, and sentences for a person. The first call may wait for a cold start.

    `signed` fetches as somebody who is signed in.
    """
    health = Answer(0)
    for number in range(tries):
        health = fetch(f"{url}/api/health")
        if health.status == 200:
            break
        if number + 1 < tries:
            sleep(PAUSE_S)
    if health.status != 200:
        said = f"answers {health.status}" if health.status else "does not answer"
        return False, [f"{url}/api/health {said}; look at the log of the function app (docs/deploy.md, When it fails)"]
    return True, [f"{url} is up", _sign_in(url, fetch), _edited(url, signed)]


def _sign_in(url: str, fetch: Get) -> str:
    """Whether App Service authentication runs: only then does the platform itself lead to Entra from this address.

    `/.auth/me` tells less: it is there only with a store of tokens, and the deployment keeps none.
    """
    answer = fetch(f"{url}{LOGIN}")
    if answer.status in (302, 303, 307) and answer.location.startswith("https://login."):
        return "App Service authentication is on: people sign in with Entra"
    return (
        f"App Service authentication does not run here ({LOGIN} answers {answer.status}): the page and the API are "
        "closed to everybody, and only function keys and the timer start jobs (docs/deploy.md, Signing in)"
    )


def _edited(url: str, signed: Get | None) -> str:
    """Which syncs are edited in the app: their files that were just deployed do not count."""
    note = _definitions(signed(f"{url}/api/health")) if signed is not None else None
    if note is None:
        return (
            "which syncs are edited in the app, so that their files do not count, this look was not told (it takes `az "
            f"login` and the app role dynsync.read); `dynsync check --app {url}` tells"
        )
    if "edited in the app" not in note:
        return f"definitions: {note}"
    return f"definitions: {note}. A deployment does not end an edit: `dynsync definition diff SYNC`, then save or drop"


def _definitions(health: Answer) -> str | None:
    """What the health of the app says about definitions, where the caller is told."""
    parts = health.member("parts")
    found = [one for one in parts if isinstance(one, dict)] if isinstance(parts, list) else []
    return next((str(one.get("note")) for one in found if one.get("name") == "definitions"), None)


def token_of(client_id: str) -> str:
    """A token for the app's registration from `az`; empty without one, for then less is told."""
    if not _CLIENT_ID.fullmatch(client_id):
        return ""
    asked = ["az", "account", "get-access-token", "--scope", f"api://{client_id}/.default"]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and nothing of a stranger's in it
            [*asked, "--query", "accessToken", "--output", "tsv"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def main() -> None:
    """Look, tell, end."""
    parser = argparse.ArgumentParser(prog="tools/smoke-test", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("DYNSYNC_APP_URL", ""), help="address of the app")
    url = parser.parse_args().url.rstrip("/")
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise SystemExit("no address of the app: set DYNSYNC_APP_URL or give --url https://….azurewebsites.net")
    token = token_of(os.environ.get("DYNSYNC_SIGN_IN_CLIENT_ID", "")) if url.startswith("https://") else ""
    up, sentences = look(url, get, time.sleep, signed=(lambda asked: get(asked, token)) if token else None)
    sys.stdout.write("\n".join(sentences) + "\n")
    raise SystemExit(0 if up else 1)


if __name__ == "__main__":
    main()
