"""Whole jobs whose secrets lie in Key Vault: every way to sign in, a secret rotated in between, no secret anywhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from local.dataverse import LocalDataverse
from local.identity import Application, ClientSecret, LocalIdentity
from shared.cli.root import dynsync
from shared.errors import NotAllowedError
from shared.values.jobs import Job, JobState
from shared.wiring import LocalApp
from tests.certificates import made
from tests.e2e.conftest import closes, ignore

APP = "1d000000-0000-4000-8000-00000000c1d7"
MARK = "marked-secret"
DEFINITION = """
name: cities
source:
  type: delimited
  path: cities.csv
  schema: [{{ name: code }}, {{ name: name }}]
destination:
  type: dynamics
  entity: new_city
  service_url: {url}
  id_column: new_cityid
{sign_in}
mappings:
  - {{ source: code, target: new_citycode }}
  - {{ source: name, target: new_name }}
behaviour:
  strategy: full
  key: [new_citycode]
  brakes: {{ creates: 100%, updates: 100%, at_least: 1000 }}
"""
ENTRA = """  authority: {authority}
  tenant_id: {{ secret: cities--tenant }}
  client_id: {{ secret: cities--id }}
  {proof}: {{ secret: cities--proof }}
"""


@dataclass
class Cloud:
    """Dataverse, Entra and a vault, and a folder of definitions."""

    dataverse: LocalDataverse
    azure: LocalIdentity
    folder: Path

    @property
    def app(self) -> LocalApp:
        state, syncs = self.folder / "state", self.folder / "syncs"
        return LocalApp(state=state, syncs=syncs, environ=dict(self.azure.environment))

    def define(self, sign_in: str) -> None:
        text = DEFINITION.format(url=self.dataverse.url, sign_in=sign_in)
        (self.folder / "syncs" / "cities.yaml").write_text(text, encoding="utf-8")

    def keep(self, **secrets: str) -> None:
        for name, value in secrets.items():
            self.azure.vault.put(f"cities--{name}", value)

    def by_entra(self, proof: str, value: str) -> None:
        self.define(ENTRA.format(authority=self.azure.authority, proof=proof))
        self.keep(tenant=self.azure.tenant_id, id=APP, proof=value)

    def register(self, *secrets: str, certificates: tuple[str, ...] = ()) -> None:
        proofs = tuple(ClientSecret(secret) for secret in secrets)
        self.azure.add(Application(APP, self.azure.tenant_id, proofs, certificates))

    def run(self, app: LocalApp | None = None) -> Job:
        running = app or self.app
        return running.start("cities", variables={}, files={}, started_by="t", progress=ignore, apply=True)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    (tmp_path / "syncs").mkdir()
    (tmp_path / "cities.csv").write_text("code,name\nC1,Łódź\nC2,Ulm\n", encoding="utf-8")
    with LocalIdentity() as azure, LocalDataverse() as dataverse:
        for name, value in azure.environment.items():
            monkeypatch.setenv(name, value)
        dataverse.trust(azure.authority, azure.ca_file)
        azure.directory.add_resources([dataverse.authority])
        for client_id in (APP, azure.machine_id):
            dataverse.insert("systemuser", [{"fullname": client_id, "applicationid": client_id}])
        yield Cloud(dataverse, azure, tmp_path)


def makers(cloud: Cloud) -> set[str]:
    """The client ids of those who made the cities."""
    users = {row["systemuserid"]: row["applicationid"] for row in cloud.dataverse.rows("systemuser")}
    return {str(users[row["_createdby_value"]]) for row in cloud.dataverse.rows("new_city")}


@pytest.mark.parametrize("kind", ["client_secret", "certificate", "packed certificate", "managed_identity"])
def test_every_way_to_sign_in_runs_a_job(cloud: Cloud, kind: str) -> None:
    """The rows are written by the user that belongs to the identity."""
    if kind == "managed_identity":
        cloud.define("  auth: managed_identity")
    elif kind == "client_secret":
        cloud.register(MARK)
        cloud.by_entra("client_secret", MARK)
    else:
        certificate = made("app")
        cloud.register(certificates=(certificate.public,))
        whole = certificate.packed if "packed" in kind else certificate.whole.decode()
        cloud.by_entra("certificate", whole)
    job = closes(cloud.run())
    assert (job.state, job.source.created) == (JobState.SUCCEEDED, 2)
    assert makers(cloud) == {cloud.azure.machine_id if kind == "managed_identity" else APP}


def test_a_user_assigned_identity_signs_in(cloud: Cloud) -> None:
    """Its client id is a secret like any other."""
    cloud.azure.add(Application(APP, cloud.azure.tenant_id, managed=True))
    cloud.define("  auth: managed_identity\n  client_id: { secret: cities--id }")
    cloud.keep(id=APP)
    assert cloud.run().state is JobState.SUCCEEDED
    assert makers(cloud) == {APP}


def test_a_rotated_secret_needs_no_restart(cloud: Cloud) -> None:
    """The old one is withdrawn while it is still remembered: the same app asks the vault once and goes on."""
    cloud.register("marked-old")
    cloud.by_entra("client_secret", "marked-old")
    app = cloud.app
    assert cloud.run(app).state is JobState.SUCCEEDED
    cloud.register("marked-new")
    cloud.keep(proof="marked-new")
    cloud.azure.clear_requests()
    assert cloud.run(app).state is JobState.SUCCEEDED
    asked = [seen for seen in cloud.azure.requests if seen.part == "vault" and "cities--proof" in seen.path]
    assert len(asked) == 1
    cloud.register("marked-third")
    failed = cloud.run(app)
    assert failed.state is JobState.FAILED
    assert "AADSTS7000215" in str(failed.error)


def test_secrets_outside_the_reach_are_not_asked_for(cloud: Cloud) -> None:
    """Not even when the reach file changes after the definition was read: it is held at the moment of use."""
    cloud.define("  auth: managed_identity\n  client_id: { secret: others--id }")
    cloud.azure.vault.put("others--id", MARK)
    problems = cloud.app.check("cities")
    assert any(problem.path == "destination.client_id" for problem in problems)
    with pytest.raises(NotAllowedError):
        cloud.app._connector.secret("cities", "others--id")
    assert not any("others--id" in seen.path for seen in cloud.azure.requests)


def test_a_missing_secret_is_a_problem_of_check(cloud: Cloud) -> None:
    """By vault and name, and without a job."""
    cloud.by_entra("client_secret", MARK)
    cloud.azure.vault.delete("cities--proof")
    told = [str(problem) for problem in cloud.app.check("cities")]
    assert any("secret 'cities--proof' in the key vault" in text and "was not found" in text for text in told)


def test_a_certificate_signs_in_to_the_local_dataverse_alone(cloud: Cloud) -> None:
    """Without the local Entra: its own token endpoint takes the assertion."""
    cloud.define(ENTRA.format(authority=cloud.dataverse.authority, proof="certificate"))
    cloud.keep(tenant=cloud.dataverse.tenant_id, id=cloud.dataverse.client_id, proof=made("app").packed)
    assert cloud.run().state is JobState.SUCCEEDED


@pytest.mark.parametrize("right", [True, False])
def test_no_word_of_the_command_holds_a_secret(cloud: Cloud, right: bool) -> None:
    """Every command about a job, for people and as JSON, with the log on the terminal."""
    cloud.register(MARK if right else "another")
    cloud.by_entra("client_secret", MARK)
    where = ["--syncs", str(cloud.folder / "syncs"), "--state", str(cloud.folder / "state"), "--verbose"]
    said = ""
    for verb in (["check", "cities"], ["plan", "cities"], ["run", "cities"], ["jobs"], ["secrets", "list"]):
        for form in ([], ["--json"]):
            result = CliRunner().invoke(dynsync, [*verb, *where, *form])
            assert result.output, verb
            said += result.output
    assert ("AADSTS7000215" in said) is not right
    assert MARK not in said


@pytest.mark.parametrize("right", [True, False])
def test_no_file_and_no_line_holds_a_secret(cloud: Cloud, caplog: pytest.LogCaptureFixture, right: bool) -> None:
    """All files of a run, its log at the finest level and its error are searched for the secret and the key."""
    caplog.set_level(logging.DEBUG)
    cloud.register(MARK if right else "another")
    cloud.by_entra("client_secret", MARK)
    jobs = [cloud.run()]
    certificate = made("app")
    cloud.register(certificates=(certificate.public,) if right else ())
    cloud.by_entra("certificate", certificate.whole.decode())
    jobs.append(cloud.run())
    assert {job.state for job in jobs} == {JobState.SUCCEEDED if right else JobState.FAILED}
    key = certificate.key.decode().splitlines()[2]
    files = [path for path in cloud.folder.rglob("*") if path.is_file()]
    assert len(files) > 3
    for secret in (MARK, key):
        assert secret not in repr(jobs) + caplog.text
        assert [str(path) for path in files if secret.encode() in path.read_bytes()] == []
