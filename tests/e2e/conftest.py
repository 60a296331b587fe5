"""A world for whole stories: the local Dataverse, a folder of definitions and the product as a user starts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, Phase, settings

from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID, LocalDataverse
from shared.values.jobs import Job, Progress
from shared.wiring import LocalApp

BOUNDED = settings(
    deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
"""For laws whose examples are whole jobs: making a failing example smaller would take many minutes."""

HEAD = """
name: {name}
source:
{source}
destination:
  type: dynamics
  service_url: {url}
  authority: {authority}
  tenant_id: {{ secret: {name}--tenant-id }}
  client_id: {{ secret: {name}--client-id }}
  client_secret: {{ secret: {name}--client-secret }}
{destination}
"""


@dataclass
class World:
    """Everything a story needs. `run`, `plan` and `apply` give the job."""

    dataverse: LocalDataverse
    folder: Path
    environ: dict[str, str]

    @property
    def app(self) -> LocalApp:
        """A fresh app over the same folders, as every call of the command has."""
        return LocalApp(state=self.folder / "state", syncs=self.folder / "syncs", environ=self.environ)

    def define(self, name: str, *, source: str, destination: str, rest: str) -> str:
        """Write a definition; `source` and `destination` are the members beside address and secrets."""
        text = HEAD.format(
            name=name,
            source=source,
            url=self.dataverse.url,
            authority=self.dataverse.authority,
            destination=destination,
        )
        (self.folder / "syncs" / f"{name}.yaml").write_text(text + rest, encoding="utf-8")
        prefix = "DYNSYNC_SECRET_" + name.upper().replace("-", "_") + "__"
        secrets = {"TENANT_ID": TENANT_ID, "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET}
        self.environ |= {prefix + key: value for key, value in secrets.items()}
        return name

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a source file."""
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def run(
        self, sync: str, variables: Mapping[str, str] | None = None, files: Mapping[str, Path] | None = None
    ) -> Job:
        """Run a sync to its end or to a brake."""
        return self._start(sync, variables, files, apply=True)

    def plan(
        self, sync: str, variables: Mapping[str, str] | None = None, files: Mapping[str, Path] | None = None
    ) -> Job:
        """Make a plan."""
        return self._start(sync, variables, files, apply=False)

    def _start(
        self, sync: str, variables: Mapping[str, str] | None, files: Mapping[str, Path] | None, *, apply: bool
    ) -> Job:
        return self.app.start(
            sync, variables=variables or {}, files=files or {}, started_by="tester", progress=ignore, apply=apply
        )

    def apply(self, job: Job) -> Job:
        """Apply a plan."""
        return self.app.apply(job.id, started_by="tester", progress=ignore)

    def edit(self, entity_set: str, row_id: object, values: Mapping[str, object]) -> None:
        """Change a row as a person would, past the product."""
        reply = requests.patch(
            f"{self.dataverse.url}{entity_set}({row_id})",
            json=dict(values),
            headers={"Authorization": f"Bearer {self._token()}", "If-Match": "*"},
            timeout=10,
        )
        reply.raise_for_status()

    def remove(self, entity_set: str, row_id: object) -> None:
        """Delete a row as a person would, past the product."""
        reply = requests.delete(
            f"{self.dataverse.url}{entity_set}({row_id})",
            headers={"Authorization": f"Bearer {self._token()}"},
            timeout=10,
        )
        reply.raise_for_status()

    def clear(self, *tables: str) -> None:
        """Delete every row of the tables, past the network, and forget requests and faults."""
        with self.dataverse.application.lock:
            for table in tables:
                self.dataverse.application.service.world.store.run(f'DELETE FROM "{table}"')
            self.dataverse.application.faults.clear()
        self.dataverse.clear_requests()

    def _token(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "scope": self.dataverse.authority + ".default",
        }
        url = f"{self.dataverse.authority}{TENANT_ID}/oauth2/v2.0/token"
        return str(requests.post(url, data=form, timeout=10).json()["access_token"])

    def writes(self) -> list[str]:
        """The writing requests since the last `clear_requests`, as `METHOD path`."""
        return [f"{r.method} {r.path}" for r in self.dataverse.requests if r.method != "GET" and "oauth2" not in r.path]


def an_hour_ago() -> datetime:
    """The stand-in's clock: what it stamps was touched before any job that a test starts."""
    return datetime.now(UTC) - timedelta(hours=1)


def ignore(_: Progress) -> None:
    """Watch nothing."""


def closes(job: Job) -> Job:
    """The job, after a look at its two balances."""
    assert job.source.closes, job.source
    assert job.destination.closes, job.destination
    return job


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh world."""
    (tmp_path / "syncs").mkdir()
    (tmp_path / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
    with LocalDataverse(clock=an_hour_ago) as dataverse:
        yield World(dataverse, tmp_path, {})
