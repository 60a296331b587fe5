"""What the local cloud says when it is ready: where everything is, and what to try first."""

from __future__ import annotations

import shlex

from local.host.__main__ import ADMIN_KEY, FUNCTION_KEY
from local.serve.furnishing import Furnished
from local.serve.places import HOST


def ready(at: Furnished, *, with_host: bool) -> str:
    """The addresses, and lines to copy."""
    ports = at.ports
    app = f"http://{HOST}:{ports.app}"
    storage = f"http://{HOST}:{ports.blobs} (blobs), :{ports.tables} (tables)"
    rows = [
        ("App", f"{app}   (open it in a browser: syncs and jobs)" if with_host else "the lines below start it"),
        ("Dataverse", f"{at.dataverse}   (open it in a browser: tables and requests)"),
        ("Service Bus", f"localhost:{ports.bus}   queues sync-jobs, sync-events"),
        ("Entra", at.entra),
        ("Key Vault", f"https://{HOST}:{ports.vault}"),
        ("Storage", storage if at.storage else "none: jobs are kept in the folder (Azurite needs node and npm)"),
        ("Files", f"{at.folder}   syncs/, customers.csv, logs/"),
        ("Keys", f"{FUNCTION_KEY} (functions), {ADMIN_KEY} (everything)"),
    ]
    lines = [f"  {name:<12} {text}" for name, text in rows]
    tries = "\n".join(f"  {line}" for line in _tries(app, at)) if with_host else _for_tools(at)
    return "\n".join(["", "The local cloud runs. Ctrl-C ends it.", "", *lines, "", "Try first:", tries, ""])


def _for_tools(at: Furnished) -> str:
    settings = shlex.quote(str(at.folder / "local.settings.json"))
    return (
        f"  cp {settings} . && func start\n"
        f"  .venv/bin/python -m local.host --port {at.ports.app} --settings {settings}   # instead of the tools\n"
        "  Core Tools from before July 2026 listen to every machine that reaches this one; any of them may use the app."
    )


def _tries(app: str, at: Furnished) -> list[str]:
    signup = '{"op": "upsert", "number": "S-1", "name": "Blue Door Books", "city": "Ghent"}'
    file = shlex.quote(f"extract=@{at.folder / 'prospects.csv'}")
    form = """-F 'request={"sync": "prospects"}' -F """ + file
    return [
        f"curl -s {app}/api/health",
        f"curl -s -X POST {app}/api/syncs/customers/jobs -H 'content-type: application/json' -d '{{}}'",
        f"curl -s -X POST '{app}/api/jobs?code={FUNCTION_KEY}' {form}",
        f"curl -s {app}/api/jobs",
        f"curl -s -X POST {app}/admin/functions/scheduled_syncs -H 'x-functions-key: {ADMIN_KEY}' -d '{{}}'",
        f"curl -s -X POST {app}/api/events/signups -H 'content-type: application/json' -d '{signup}'",
        f"curl -s {at.dataverse}/_local/rows/account   # the record, a moment later; or {at.dataverse}/tables/account",
    ]
