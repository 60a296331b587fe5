"""The same start with the same key, many times at once: one job, whatever the store, and whichever instance answers."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from shared.web.application import Application
from shared.web.call import Answer, Request
from shared.wiring.hosted import open_hosted
from tests import azurite
from tests.unit.web.conftest import DEFINITION

THREADS = 20
STORES = [pytest.param("local", id="local"), pytest.param("azure", id="azure", marks=pytest.mark.needs("azurite"))]


@pytest.fixture
def sync(tmp_path: Path) -> str:
    """A sync of this test alone, for the storage is everybody's."""
    name = f"s{uuid.uuid4().hex[:12]}"
    syncs = tmp_path / "syncs"
    syncs.mkdir()
    (tmp_path / "in.csv").write_text("no,label\nA1,One\n")
    (syncs / "reach.yaml").write_text("folders: [..]\n")
    words = {"variables": "  region: { default: EMEA }", "path": "in.csv", "permissions": "{}"}
    (syncs / f"{name}.yaml").write_text(DEFINITION.format(name=name, **words))
    return name


@pytest.fixture(params=STORES)
def instance(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Application]:
    """Opens one more instance of the app over the same store."""
    settings = {"DYNSYNC_KEY_SYNCS": "*", "DYNSYNC_STATE": "state"}
    if request.param == "azure":
        account: azurite.Account = request.getfixturevalue("storage")
        settings |= {"DYNSYNC_STATE_SECRET": "storage", "DYNSYNC_SECRET_STORAGE": account.connection}
    return lambda: Application(open_hosted(settings, base=tmp_path))


def start(app: Application, sync: str, key: str, region: str = "NL") -> Answer:
    body = json.dumps({"sync": sync, "variables": {"region": region}}).encode()
    headers = {"content-type": "application/json", "idempotency-key": key, "x-functions-key": "k"}
    return app.answer(Request("POST", "/api/jobs", {}, headers, body, "contoso.azurewebsites.net", key=True))


def test_of_twenty_starts_at_once_there_is_one_job(instance: Callable[[], Application], sync: str) -> None:
    """Over two instances of the app; everybody gets 202 and the same id, and the store holds one job."""
    instances, together = [instance(), instance()], Barrier(THREADS)

    def begin(number: int) -> Answer:
        together.wait()
        return start(instances[number % 2], sync, f"{sync} night")

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(begin, range(THREADS)))
    assert {answer.status for answer in answers} == {202}, {answer.body for answer in answers}
    ids = {json.loads(answer.body)["id"] for answer in answers}
    kept = instances[0]._hosted.app.jobs(sync=sync, limit=100)
    assert {job.id for job in kept} == ids
    assert len(kept) == 1


def test_of_two_calls_under_one_key_one_is_carried_out(instance: Callable[[], Application], sync: str) -> None:
    """Whoever comes second with another call is told so, also at the same moment; nothing of theirs is started."""
    app, together = instance(), Barrier(THREADS)

    def begin(number: int) -> tuple[str, int]:
        region = "NL" if number % 2 else "BE"
        together.wait()
        return region, start(app, sync, f"{sync} night", region).status

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(begin, range(THREADS)))
    (job,) = app._hosted.app.jobs(sync=sync, limit=100)
    won = job.variables["region"]
    assert {(region, 202 if region == won else 422) for region in ("NL", "BE")} == set(answers)
