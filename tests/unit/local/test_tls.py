"""The local Dataverse over TLS: who trusts its certificate reaches it, all addresses are https, faults cut as ever."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.dataverse import Fault, FaultKind, LocalDataverse
from local.dataverse.tls import CannotWriteError, context


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "dataverse.pem"


@pytest.fixture
def server(file: Path) -> Iterator[LocalDataverse]:
    with LocalDataverse(https=file) as running:
        yield running


@pytest.fixture
def session(server: LocalDataverse, file: Path) -> Iterator[requests.Session]:
    """Signed in."""
    with requests.Session() as found:
        found.trust_env, found.verify = False, str(file)
        form = {
            "grant_type": "client_credentials",
            "client_id": server.client_id,
            "client_secret": server.client_secret,
            "scope": f"{server.authority}.default",
        }
        endpoint = found.get(_configuration(server, server.tenant_id), timeout=10).json()["token_endpoint"]
        token = found.post(endpoint, data=form, timeout=10).json()["access_token"]
        found.headers["Authorization"] = f"Bearer {token}"
        yield found


def _configuration(server: LocalDataverse, tenant: str) -> str:
    return f"{server.authority}{tenant}/v2.0/.well-known/openid-configuration"


def test_every_address_is_https(server: LocalDataverse, session: requests.Session) -> None:
    """Its own, those of rows, next links and contexts."""
    server.insert("account", [{"name": "a"}, {"name": "b"}])
    assert server.url.startswith("https://127.0.0.1:")
    page = session.get(f"{server.url}accounts", headers={"Prefer": "odata.maxpagesize=1"}, timeout=10).json()
    assert page["@odata.context"].startswith(server.url)
    assert session.get(page["@odata.nextLink"], timeout=10).json()["value"][0]["name"] == "b"
    made = session.post(f"{server.url}accounts", json={"name": "c"}, timeout=10)
    assert made.headers["OData-EntityId"].startswith(server.url)


def test_a_stranger_is_not_trusted(server: LocalDataverse) -> None:
    """Without its certificate nobody is taken in."""
    with requests.Session() as session:
        session.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            session.get(server.url, timeout=10)


def test_faults_cut_it_too(server: LocalDataverse, session: requests.Session) -> None:
    """The write is done, the answer comes half or never."""
    for kind, error in (
        (FaultKind.DROP_AFTER, requests.exceptions.ConnectionError),
        (FaultKind.DROP_ANSWER, requests.exceptions.RequestException),
    ):
        server.inject(Fault(kind, method="POST"))
        with pytest.raises(error):
            session.post(
                f"{server.url}accounts", json={"name": kind}, headers={"Prefer": "return=representation"}, timeout=10
            )
    assert [row["name"] for row in server.rows("account")] == ["drop_after", "drop_answer"]


def test_another_tenant_has_no_endpoints(server: LocalDataverse, session: requests.Session) -> None:
    """As Entra says it."""
    answer = session.get(_configuration(server, "elsewhere"), timeout=10)
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


def test_the_file_holds_the_certificate_alone(file: Path) -> None:
    """No key is written down; each start writes a certificate of its own over the last one."""
    context(file)
    first = file.read_bytes()
    context(file)
    assert b"PRIVATE" not in first
    assert file.read_bytes() != first
    assert stat.S_ISREG(file.stat().st_mode)


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is missing is named; a file that holds something else is left as it is."""
    with pytest.raises(CannotWriteError, match="there is no folder"):
        context(tmp_path / "none" / "a.pem")
    other = tmp_path / "notes.txt"
    other.write_text("mine", encoding="utf-8")
    with pytest.raises(CannotWriteError, match="something else"):
        context(other)
    assert other.read_text(encoding="utf-8") == "mine"
