"""Says a plan on a pull request of Azure DevOps: where it was said the last time, else in a thread of its own.

Reads what Azure Pipelines tells of the build, and TOKEN, the build's own token. On GitHub the workflow does it by `gh`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tools.deployment.plan_report import MARK
from tools.deployment.publish import Answer, Send, send

_VERSION = "api-version=7.1"
_TEXT, _CLOSED = 1, 4
"""A comment of plain text; a thread that asks nobody for an answer. Source: Microsoft Learn, "Pull Request Threads"."""


class PullRequest:
    """The threads of one pull request. `url` is the pull request's own address in the REST API."""

    def __init__(self, url: str, token: str, send: Send) -> None:
        self._url, self._token, self._send = url, token, send

    def say(self, text: str) -> str:
        """Write the plan; gives a sentence.

        Raises:
            SystemExit: the service refused it.
        """
        for place in self._ours():
            if self._ask("PATCH", place, {"content": text}).status == 200:
                return "the plan stands in its thread of before"
        comment = {"parentCommentId": 0, "content": text, "commentType": _TEXT}
        begun = self._ask("POST", "threads", {"comments": [comment], "status": _CLOSED})
        if begun.status != 200:
            why = begun.member("message") or "no reason given"
            raise SystemExit(
                f"the pull request refused the plan with {begun.status}: {why} (docs/deploy.md, From your own pipeline)"
            )
        return "the plan stands in a new thread"

    def _ours(self) -> Iterator[str]:
        """Comments that begin as a plan does; whether one is ours is the service's to say, which lets only its author
        change it."""
        for thread in self._ask("GET", "threads").member("value") or []:
            first = next(iter(thread.get("comments") or []), {})
            if not thread.get("isDeleted") and str(first.get("content") or "").startswith(MARK):
                yield f"threads/{int(thread['id'])}/comments/{int(first['id'])}"

    def _ask(self, method: str, path: str, body: Any = None) -> Answer:
        payload = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        url = f"{self._url}/{path}?{_VERSION}"
        return self._send(urllib.request.Request(url, payload, headers, method=method))  # noqa: S310 - https, see below


def address(env: Mapping[str, str]) -> str:
    """The pull request's address, from the variables of the build.

    Raises:
        SystemExit: this is no build of a pull request in Azure Repos.
    """
    names = ("SYSTEM_COLLECTIONURI", "SYSTEM_TEAMPROJECTID", "BUILD_REPOSITORY_ID", "SYSTEM_PULLREQUEST_PULLREQUESTID")
    organization, project, repository, number = (env.get(name, "") for name in names)
    if not (organization.startswith("https://") and project and repository and number.isdecimal()):
        raise SystemExit("this is no build of a pull request in Azure Repos: its variables are not there")
    return f"{organization.rstrip('/')}/{project}/_apis/git/repositories/{repository}/pullRequests/{number}"


def main() -> None:
    """Say it."""
    parser = argparse.ArgumentParser(prog="tools/say-plan", description=__doc__)
    parser.add_argument("plan", type=Path, help="the Markdown file that tools/plan-report has written")
    plan = parser.parse_args().plan
    said = PullRequest(address(os.environ), os.environ.get("TOKEN", ""), send).say(plan.read_text("utf-8"))
    sys.stdout.write(said + "\n")


if __name__ == "__main__":
    main()
