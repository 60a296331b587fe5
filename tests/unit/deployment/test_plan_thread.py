"""The plan on a pull request: one place, written anew each time, on either service."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deployment.test_pipelines import GITHUB, loaded
from tools.deployment.plan_report import MARK
from tools.deployment.plan_thread import PullRequest, address
from tools.deployment.publish import Answer

URL = "https://dev.azure.com/contoso/p-1/_apis/git/repositories/r-1/pullRequests/7"
PLAN = f"{MARK}\n| sync |\n"
BUILD = {
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/contoso/",
    "SYSTEM_TEAMPROJECTID": "p-1",
    "BUILD_REPOSITORY_ID": "r-1",
    "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
}


class Service:
    """Azure DevOps with threads that are there; comments of `others` may not be changed."""

    def __init__(self, *threads: dict[str, Any], others: tuple[int, ...] = (), begins: int = 200) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self._threads, self._others, self._begins = threads, others, begins

    def send(self, request: urllib.request.Request) -> Answer:
        assert request.get_header("Authorization") == "Bearer token-1"
        path = request.full_url.removeprefix(f"{URL}/").removesuffix("?api-version=7.1")
        body = json.loads(request.data) if isinstance(request.data, bytes) else None
        self.asked.append((request.get_method(), path, body))
        if request.get_method() == "GET":
            return Answer(200, json.dumps({"value": self._threads}).encode())
        if request.get_method() == "POST":
            return Answer(self._begins, b'{"message": "TF401027: you need the permission"}')
        return Answer(403 if any(f"threads/{number}/" in path for number in self._others) else 200)

    def writes(self) -> list[tuple[str, str]]:
        return [(method, path) for method, path, _ in self.asked if method != "GET"]


def thread(number: int, content: str | None, *, deleted: bool = False) -> dict[str, Any]:
    return {"id": number, "isDeleted": deleted, "comments": [{"id": 1, "content": content}]}


def say(service: Service) -> str:
    return PullRequest(URL, "token-1", service.send).say(PLAN)


def test_the_first_plan_begins_a_closed_thread() -> None:
    """Beside what others have said; it asks nobody for an answer."""
    service = Service(
        thread(1, "looks good"), thread(2, None), {"id": 3, "comments": []}, thread(4, MARK, deleted=True)
    )
    assert "new thread" in say(service)
    assert service.writes() == [("POST", "threads")]
    body = service.asked[-1][2]
    assert body["status"] == 4
    assert [comment["content"] for comment in body["comments"]] == [PLAN]


def test_the_next_plan_takes_its_place() -> None:
    """The same thread is written anew."""
    service = Service(thread(1, "looks good"), thread(5, f"{MARK}\nold"))
    assert "before" in say(service)
    assert service.asked[1:] == [("PATCH", "threads/5/comments/1", {"content": PLAN})]


def test_who_writes_like_a_plan_stops_none() -> None:
    """A comment of somebody else with the same beginning may not be changed, so there is a thread of our own."""
    service = Service(thread(5, f"{MARK}\nmine"), others=(5,))
    assert "new thread" in say(service)
    assert service.writes() == [("PATCH", "threads/5/comments/1"), ("POST", "threads")]


def test_a_refusal_is_told() -> None:
    """With the service's reason."""
    with pytest.raises(SystemExit, match="403: TF401027"):
        say(Service(begins=403))


def test_the_address_is_that_of_the_build() -> None:
    """By ids, for names of projects may have blanks; elsewhere it says that there is no pull request."""
    assert address(BUILD) == URL
    for name, value in (("SYSTEM_PULLREQUEST_PULLREQUESTID", ""), ("SYSTEM_COLLECTIONURI", "http://evil.example/")):
        with pytest.raises(SystemExit, match="no build of a pull request"):
            address(BUILD | {name: value})


GH = """#!/bin/sh
printf '%s\\n' "$*" >> "$SEEN"
if [ "$1 $2" = "api --paginate" ]; then jq -r "$5" "$COMMENTS"; fi
"""


@pytest.mark.needs("jq")
@pytest.mark.parametrize(
    ("comments", "does"),
    [
        ([], "pr comment 7"),
        ([("github-actions[bot]", "coverage: 90 %"), ("mallory", f"{MARK} mine")], "pr comment 7"),
        ([("github-actions[bot]", "coverage: 90 %"), ("github-actions[bot]", PLAN)], "issues/comments/1 "),
        ([("github-actions[bot]", PLAN), ("github-actions[bot]", PLAN)], "issues/comments/0 "),
    ],
)
def test_on_github_too(comments: list[tuple[str, str]], does: str, tmp_path: Path) -> None:
    """The workflow's own shell: its plan is written anew, what other workflows or people have said stays."""
    (step,) = (one for one in loaded(GITHUB)["jobs"]["say"]["steps"] if "run" in one)
    listed = [{"id": n, "user": {"login": who}, "body": body} for n, (who, body) in enumerate(comments)]
    (tmp_path / "comments.json").write_text(json.dumps(listed), "utf-8")
    (tmp_path / "gh").write_text(GH, "utf-8")
    (tmp_path / "gh").chmod(0o755)
    told = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SEEN": str(tmp_path / "seen"), "NUMBER": "7"}
    told |= {
        "COMMENTS": str(tmp_path / "comments.json"),
        "GITHUB_REPOSITORY": "contoso/sync",
        "OURS": step["env"]["OURS"],
    }
    subprocess.run(["bash", "-e", "-c", step["run"]], env=told, check=True, cwd=tmp_path)
    asked, *wrote = (tmp_path / "seen").read_text("utf-8").splitlines()
    assert asked.startswith("api --paginate repos/contoso/sync/issues/7/comments")
    assert [does in line for line in wrote] == [True]
    assert "body=@plan.md" in wrote[0] or "--body-file plan.md" in wrote[0]
