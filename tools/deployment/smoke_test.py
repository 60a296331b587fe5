"""Looks at a deployed app from outside: is it up, and does the platform sign people in?

Reads DYNSYNC_APP_URL (as `azd env get-values` has it, or `--url`). Ends with 1 when the app is not up.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

TRIES = 30
PAUSE_S = 10.0
LOGIN = "/.auth/login/aad"


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

    def member(self, name: str) -> str:
        """A text of a JSON object, or nothing."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return ""
        return str(found.get(name, "")) if isinstance(found, dict) else ""


Get = Callable[[str], Answer]


def get(url: str) -> Answer:
    """One request; no answer and refusals are answers too."""
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(url, timeout=30) as reply:
            return Answer(reply.status, reply.read(65_536))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answer(refusal.code, refusal.read(65_536), refusal.headers.get("Location", ""))
    except OSError:
        return Answer(0)


def look(url: str, fetch: Get, sleep: Callable[[float], None], *, tries: int = TRIES) -> tuple[bool, list[str]]:
    """Whether the app is up, and sentences for a person. The first call may wait for a cold start."""
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
    return True, [f"{url} is up", _sign_in(url, fetch)]


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


def main() -> None:
    """Look, tell, end."""
    parser = argparse.ArgumentParser(prog="tools/smoke-test", description=__doc__)
    parser.add_argument("--url", default=os.environ.get("DYNSYNC_APP_URL", ""), help="address of the app")
    url = parser.parse_args().url.rstrip("/")
    if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise SystemExit("no address of the app: set DYNSYNC_APP_URL or give --url https://….azurewebsites.net")
    up, sentences = look(url, get, time.sleep)
    sys.stdout.write("\n".join(sentences) + "\n")
    raise SystemExit(0 if up else 1)


if __name__ == "__main__":
    main()
