"""The app behind a real HTTP server on this machine, with syncs and jobs of every kind to look at."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.values.changes import Action
from shared.values.jobs import Brake, DestinationBalance, Job, JobState, SourceBalance
from shared.web.application import Application
from shared.web.call import Request
from shared.wiring.hosted import Hosted, open_hosted
from tests.browser.kept import keep_work

NOW = datetime(2025, 3, 3, 8, 30, tzinfo=UTC)
DEVELOPER = {"DYNSYNC_DEVELOPER": "unchecked"}
_DEFINITION = """\
name: {name}
title: '{title}'
description: '{description}'
enabled: {enabled}
variables: {variables}
source:
  type: delimited
  path: "{path}"
  schema:
    - {{ name: no, type: text }}
    - {{ name: label, type: text }}
    - {{ name: changed_at, type: date }}
{source}
destination:
  type: dynamics
  entity: {entity}
  id_column: {entity}id
  service_url: https://contoso.crm4.dynamics.com/
  client_id: {{ secret: {name}--client-id }}
  client_secret: {{ secret: {name}--client-secret }}
mappings:
  - {{ source: no, target: {key} }}
  - {{ source: label, target: {label} }}
behaviour: {{ strategy: {strategy}, key: [{key}] }}
{rest}
"""
_PLAIN = {
    "description": "", "enabled": "true", "variables": "{}", "path": "customers.csv", "source": "", "entity": "account",
    "strategy": "delta", "key": "accountnumber", "label": "name", "rest": "",
}  # fmt: skip
SYNCS: Mapping[str, Mapping[str, str]] = {
    "accounts-from-erp": {
        "title": "Customer accounts, ERP to Dynamics 365",
        "description": "Nightly mirror of the customers in the ERP. Ask the finance team before you change the key.",
        "variables": "{ region: { default: EMEA, description: Which sales region }, business_date: { description: "
        "'The day of the extract, as 2025-03-01' } }",
        "source": "  watermark: { column: changed_at, overlap: 5m }",
        "rest": 'schedule: { cron: "0 15 2 * * *", time_zone: Europe/Amsterdam }\npermissions: { admin: [crm-admins], '
        "execute: [crm-operators], read: [crm-readers] }",
    },
    "contacts-from-crm": {
        "title": "Contacts of the old CRM",
        "entity": "contact",
        "key": "employeeid",
        "label": "lastname",
        "strategy": "full",
        "rest": 'schedule: { cron: "0 */15 * * * *", time_zone: UTC }',
    },
    "prospects": {
        "title": "Prospects from a file that comes with the start",
        "variables": "{ extract: { file: true, description: The list from the fair } }",
        "path": "@extract",
    },
    "signups": {
        "title": "Sign-ups of the web shop, as they come",
        "rest": "listener: { enabled: true, format: json, action: op, key: [no] }",
    },
    "suppliers": {"title": "Suppliers (until the migration)", "enabled": "false"},
}


@dataclass(frozen=True)
class Site:
    """The app, where it is, and the ids of its jobs by state."""

    url: str
    hosted: Hosted
    folder: Path
    jobs: Mapping[JobState, str]


@contextmanager
def serving(
    folder: Path, headers: Mapping[str, str] | None = None, *, now: datetime = NOW, **settings: str
) -> Iterator[Site]:
    """The app over a folder that is made, until the block ends; `headers` come with every request.

    `now`: when the last of its jobs came to its end.
    """
    _furnish(folder)
    hosted = open_hosted({**DEVELOPER, **settings}, base=folder)
    _edit(hosted, folder / "syncs/contacts-from-crm.yaml")
    application = Application(hosted)
    handler = type("Here", (_Front,), {"application": application, "sent": dict(headers or {})})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Site(f"http://127.0.0.1:{server.server_port}", hosted, folder, _jobs(hosted, now))
        finally:
            server.shutdown()
            thread.join()


class _Front(BaseHTTPRequestHandler):
    """HTTP, handed on to the app."""

    protocol_version = "HTTP/1.1"
    application: Application
    sent: Mapping[str, str]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()} | dict(self.sent)
        body = self.rfile.read(int(headers.get("content-length", 0)))
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        asked = Request(self.command, unquote(url.path), query, headers, body, headers["host"])
        answer = self.application.answer(asked)
        self.send_response(answer.status)
        kind = answer.content_type + ("; charset=utf-8" if answer.content_type.startswith("text/") else "")
        for name, value in {"Content-Type": kind, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - as the library wants it

    def log_message(self, *_: Any) -> None:
        pass


def _furnish(folder: Path) -> None:
    syncs = folder / "syncs"
    syncs.mkdir(parents=True)
    (folder / "customers.csv").write_text("no,label,changed_at\nA1,One,2025-03-01\n")
    (syncs / "reach.yaml").write_text("folders: [..]\ncontainers: [incoming]\n")
    for name, words in SYNCS.items():
        path = words.get("path", "customers.csv")
        (syncs / f"{name}.yaml").write_text(_DEFINITION.format(name=name, **{**_PLAIN, **words, "path": path}))
    (syncs / "invoices.yaml").write_text("name: invoices\ntitle: Invoices\nsource: { type: delimitd }\n")


def _edit(hosted: Hosted, path: Path) -> None:
    """A definition that was edited in the app, and whose file has changed since."""
    text = path.read_text()
    hosted.app.definitions.save(path.stem, text.replace("*/15", "*/10"), expected=0, by="operator@contoso.com")
    path.write_text(text.replace("*/15", "*/20"))


def _jobs(hosted: Hosted, now: datetime) -> dict[JobState, str]:
    """A job in each state, the newest last; as they look in the store when they got there."""
    sums = SourceBalance(read=1200, created=3, updated=41, unchanged=1150, rejected=6)
    rows = DestinationBalance(read=1191, matched=1190, kept=1)
    plan = {Action.CREATE.value: 3, Action.UPDATE.value: 41}
    brake = Brake("removals", 120, 1191, 59, "120 of 1,191 rows would be removed; 59 are allowed")
    told: dict[JobState, dict[str, Any]] = {
        JobState.SUCCEEDED: {"source": replace(sums, rejected=0, unchanged=1156), "destination": rows, "planned": plan},
        JobState.FAILED: {"error": "the source ../customers.csv cannot be read: line 7 has 5 fields, the header has 3"},
        JobState.CANCELLED: {"notes": ("cancelled by operator@contoso.com",)},
        JobState.AWAITING_APPROVAL: {"planned": {"delete": 120}, "brakes": (brake,)},
        JobState.COMPLETED_WITH_ERRORS: {"source": sums, "destination": rows, "planned": plan},
        JobState.RUNNING: {},
    }
    of = {JobState.AWAITING_APPROVAL: "contacts-from-crm", JobState.FAILED: "prospects", JobState.RUNNING: "signups"}
    found: dict[JobState, str] = {}
    for number, (state, words) in enumerate(told.items()):
        begun = now - timedelta(hours=len(told) - number)
        ended = None if state in (JobState.RUNNING, JobState.AWAITING_APPROVAL) else begun + timedelta(seconds=74)
        found[state] = f"{begun:%Y%m%d-%H%M%S}-{number:04x}"
        job = Job(
            id=found[state], sync=of.get(state, "accounts-from-erp"), state=JobState.QUEUED,
            started_by="operator@contoso.com", created_at=begun, definition_version="1.0.0",
            variables={"region": "EMEA"},
        )  # fmt: skip
        hosted.app.stores.state.save(job)
        hosted.app.stores.state.save(replace(job, state=JobState.RUNNING))
        hosted.app.stores.state.save(replace(job, state=state, finished_at=ended, **words))
    keep_work(hosted.app.stores.state, hosted.app.job(found[JobState.COMPLETED_WITH_ERRORS]))
    return found
