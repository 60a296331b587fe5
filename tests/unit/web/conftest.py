"""An app over a folder of definitions, without any network: jobs are queued, nobody works on them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.web.application import Application
from shared.web.call import Answer, Request
from shared.wiring.hosted import Hosted, open_hosted

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
TENANT = "0d000000-0000-4000-8000-00000000aaaa"
ON = {"WEBSITE_AUTH_ENABLED": "True", "WEBSITE_SITE_NAME": "contoso"}
DEFINITION = """
name: {name}
title: A sync
variables:
{variables}
source:
  type: delimited
  path: "{path}"
  schema: [{{ name: no, type: text }}, {{ name: label, type: text }}]
destination:
  type: dynamics
  entity: account
  id_column: accountid
  service_url: https://contoso.crm4.dynamics.com/
  client_id: {{ secret: {name}--client-id }}
  client_secret: {{ secret: {name}--client-secret }}
mappings:
  - {{ source: no, target: accountnumber }}
  - {{ source: label, target: name }}
behaviour: {{ strategy: delta, key: [accountnumber], new: insert, changed: update }}
permissions: {permissions}
"""
PERMISSIONS = "{ admin: [crm-admins], write: [crm-writers], execute: [crm-operators], read: [crm-readers] }"


def principal(*groups: str, **claims: str) -> dict[str, str]:
    """The header of App Service authentication for a person in these groups or roles."""
    told = {"oid": "5d000000-0000-4000-8000-000000000001", "tid": TENANT, "preferred_username": "nia@contoso.com"}
    pairs = [*(told | claims).items(), *(("roles", group) for group in groups)]
    text = json.dumps({"auth_typ": "aad", "claims": [{"typ": name, "val": value} for name, value in pairs]})
    return {"x-ms-client-principal": base64.b64encode(text.encode()).decode()}


@dataclass
class Api:
    """The API of one app, called as the functions call it."""

    hosted: Hosted
    application: Application
    folder: Path
    headers: Mapping[str, str] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        *,
        json_body: object = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        key: bool = False,
        host: str = "contoso.azurewebsites.net",
    ) -> Answer:
        """The answer to one request."""
        sent = {name.lower(): value for name, value in {**self.headers, **(headers or {})}.items()}
        if json_body is not None:
            body = json.dumps(json_body).encode()
            sent = {"content-type": "application/json", **sent}
        return self.application.answer(Request(method, path, dict(query or {}), sent, body, host, key))

    def get(self, path: str, **how: Any) -> Any:
        """What a GET gives, when it succeeds."""
        answer = self.call("GET", path, **how)
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def job(self, sync: str = "accounts") -> str:
        """A queued job's id."""
        return self.hosted.app.queue(sync, variables={}, files={}, started_by="nia", apply=False).id


Opener = Callable[..., Api]


@pytest.fixture
def open_api(tmp_path: Path) -> Opener:
    """Opens an app with settings, as a caller with these headers; definitions are accounts, contacts and secret."""
    syncs = tmp_path / "syncs"
    syncs.mkdir(exist_ok=True)
    (tmp_path / "in.csv").write_text("no,label\nA1,One\n")
    (syncs / "reach.yaml").write_text("containers: [incoming]\nfolders: [..]\n")
    none = "  region: { default: EMEA }"
    write = lambda name, **words: (syncs / f"{name}.yaml").write_text(  # noqa: E731
        DEFINITION.format(name=name, **({"variables": none, "path": "in.csv", "permissions": PERMISSIONS} | words))
    )
    write("accounts")
    write("contacts", permissions="{ read: [crm-readers] }")
    write("files", variables="  extract: { file: true }", path="@extract")
    write("hidden", permissions="{}")
    (syncs / "broken.yaml").write_text("name: broken\n")

    def opened(headers: Mapping[str, str] | None = None, **settings: str) -> Api:
        hosted = open_hosted({**ON, **settings}, base=tmp_path)
        return Api(hosted, Application(hosted, clock=lambda: NOW), tmp_path, headers or {})

    return opened


@pytest.fixture
def api(open_api: Opener) -> Api:
    """The app, called by somebody with the app-wide right to do everything."""
    return open_api(principal("dynsync.admin"), DYNSYNC_KEY_SYNCS="accounts,files")
