"""Records the replies to everything the client asks beside the destination's rows.

Usage: `python -m bench.engine.recording`. The product runs once, with one record, against the local Dataverse; each GET
that it made is asked again and its reply kept. So the recording always fits the client as it is.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from string import Template

import requests

from bench.engine.layout import HERE, WORK, origin
from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID, LocalDataverse
from shared.wiring import LocalApp

FOLDER = WORK / "recording"
INDEX = FOLDER / "index.json"
SECRETS = {
    "DYNSYNC_SECRET_BENCH_ACCOUNTS__TENANT_ID": TENANT_ID,
    "DYNSYNC_SECRET_BENCH_ACCOUNTS__CLIENT_ID": CLIENT_ID,
    "DYNSYNC_SECRET_BENCH_ACCOUNTS__CLIENT_SECRET": CLIENT_SECRET,
}
_RECORD = """key,name,email,city,revenue,employees,credit,birthdate,modifiedat,active,contact,description
CUST-1,One,a@example.com,Oslo,1.5,1,1.25,2020-01-01,2020-01-01 00:00:00,true,,x
"""


def definition(folder: Path, *, kind: str, source: Path, url: str, authority: str) -> None:
    """Write the measured definition and its reach file below `folder`/syncs; `kind` is parquet or csv."""
    syncs = folder / "syncs"
    syncs.mkdir(parents=True, exist_ok=True)
    (syncs / "reach.yaml").write_text(f"folders: [{json.dumps(str(source.parent))}]\n")
    type_ = {"parquet": "parquet", "csv": "delimited"}[kind]
    text = Template((HERE / "sync.yaml").read_text()).substitute(type=type_, path=source, url=url, authority=authority)
    (syncs / "bench-accounts.yaml").write_text(text)


def record() -> None:
    """Record anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with LocalDataverse(HERE / "tables.yaml") as dataverse, tempfile.TemporaryDirectory() as folder:
        _run_once(Path(folder), dataverse)
        asked = dict.fromkeys(r.path for r in dataverse.requests if r.method == "GET")
        token = _token(dataverse)
        index = {path: _keep(number, dataverse, path, token) for number, path in enumerate(asked)}
    pages = [path for path in index if "/accounts?" in path]
    if len(pages) != 1:
        raise SystemExit(
            f"the client reads the destination by {len(pages)} addresses; the bench knows one chain of pages"
        )
    INDEX.write_text(json.dumps({"first_page": pages[0], "replies": index}, indent=1))


def first_page() -> str:
    """Path and query by which the client asks for the destination's first page."""
    return str(json.loads(INDEX.read_text())["first_page"])


def replies() -> Mapping[str, str]:
    """By path and query: the name of the file that holds the reply's body."""
    return dict(json.loads(INDEX.read_text())["replies"])


def _run_once(folder: Path, dataverse: LocalDataverse) -> None:
    source = folder / "source.csv"
    source.write_text(_RECORD)
    definition(folder, kind="csv", source=source, url=dataverse.url, authority=dataverse.authority)
    app = LocalApp(state=folder / "state", syncs=folder / "syncs", environ={**os.environ, **SECRETS})
    job = app.start("bench-accounts", variables={}, files={}, started_by="bench", progress=lambda _: None, apply=True)
    if job.source.created != 1:
        raise SystemExit(f"recording failed: the job ended {job.state}: {job.error}")


def _token(dataverse: LocalDataverse) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": dataverse.authority + ".default",
    }
    reply = requests.post(f"{dataverse.authority}{TENANT_ID}/oauth2/v2.0/token", data=form, timeout=10)
    return str(reply.json()["access_token"])


def _keep(number: int, dataverse: LocalDataverse, path: str, token: str) -> str:
    reply = requests.get(
        dataverse.authority.rstrip("/") + path, headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    reply.raise_for_status()
    body = reply.text
    if "RetrieveTotalRecordCount" in path:
        body = body.replace('"Values":[1]', '"Values":[1000000]')
    name = f"{number}.json"
    (FOLDER / name).write_text(body.replace(dataverse.authority.rstrip("/"), origin("changed")))
    return name


if __name__ == "__main__":
    record()
