"""Every case in tests/fixtures/dataverse/*.yaml holds: a request gets the status, code and members it names.

A case file is a list of cases; its form is described at the head of `rows.yaml`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from ruamel.yaml import YAML

from local.dataverse import LocalDataverse

FIXTURES = Path(__file__).parents[2] / "fixtures" / "dataverse"
GUID = re.compile(r"\(([0-9a-f-]{36})\)")


def _cases() -> Iterator[Any]:
    for file in sorted(FIXTURES.glob("*.yaml")):
        for case in YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")):
            yield pytest.param(case, id=f"{file.stem}: {case['case']}")


@pytest.mark.parametrize("case", list(_cases()))
def test_a_case_holds(case: dict[str, Any], local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Each request of the case is answered as the case says."""
    for seed in case.get("given", []):
        local_dataverse.insert(seed["table"], seed["rows"])
    saved: dict[str, str] = {}
    for step in case["steps"]:
        reply = _ask(local_dataverse, caller, step, saved)
        told = f"{step['request']} → {reply.status_code} {reply.text[:600]}"
        assert reply.status_code == step.get("status", 200), told
        _check(step, reply, saved, told)


def _ask(server: LocalDataverse, caller: requests.Session, step: dict[str, Any], saved: dict[str, str]) -> Any:
    method, _, path = _filled(step["request"], saved).partition(" ")
    body = step.get("send")
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    headers = {name: _filled(value, saved) for name, value in step.get("with", {}).items()}
    if text is not None and step.get("crlf"):
        text = text.replace("\n", "\r\n")
    sent = None if text is None else _filled(text, saved).encode()
    return caller.request(method, server.url + path, data=sent, headers=headers)


def _check(step: dict[str, Any], reply: Any, saved: dict[str, str], told: str) -> None:
    if "code" in step:
        assert reply.json()["error"]["code"] == step["code"], told
    for text in [step["says"]] if isinstance(step.get("says"), str) else step.get("says", []):
        assert _filled(text, saved) in reply.text, told
    for text in step.get("lacks", []):
        assert _filled(text, saved) not in reply.text, told
    if "holds" in step:
        _subset(json.loads(_filled(json.dumps(step["holds"]), saved)), reply.json(), told)
    if "rows" in step:
        assert len(reply.json()["value"]) == step["rows"], told
    for name, value in step.get("headers", {}).items():
        assert re.fullmatch(_filled(str(value), saved), reply.headers.get(name, "(absent)")), f"{name}: {reply.headers}"
    for name, source in step.get("save", {}).items():
        saved[name] = _found(reply, source)


def _subset(wanted: Any, found: Any, told: str) -> None:
    if isinstance(wanted, dict):
        for name, value in wanted.items():
            assert name in found, f"{name} is missing: {told}"
            _subset(value, found[name], told)
    elif isinstance(wanted, list):
        assert len(wanted) == len(found), told
        for one, other in zip(wanted, found, strict=True):
            _subset(one, other, told)
    else:
        assert wanted == found, told


def _found(reply: Any, source: str) -> str:
    if source == "id":
        return GUID.search(reply.headers["OData-EntityId"])[1]  # type: ignore[index]
    if source.startswith("header "):
        return str(reply.headers[source.removeprefix("header ")])
    value = reply.json()
    for step in source.split("/"):
        value = value[int(step) if isinstance(value, list) else step]
    return str(value)


def _filled(text: str, saved: dict[str, str]) -> str:
    for name, value in saved.items():
        text = text.replace(f"<{name}>", value)
    return text
