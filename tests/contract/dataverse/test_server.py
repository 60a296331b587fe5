"""The running stand-in: pages, tokens, faults, the log, the page for people, and what it keeps."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.dataverse import Fault, FaultKind, Limits, LocalDataverse, Settings
from local.dataverse.store import CannotOpenError
from tests.examples import examples


def _token(server: LocalDataverse, **changed: str) -> requests.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": server.client_id,
        "client_secret": server.client_secret,
        "scope": f"{server.authority}.default",
    } | changed
    tenant = form.pop("tenant", server.tenant_id)
    return requests.post(f"{server.authority}{tenant}/oauth2/v2.0/token", data=form, timeout=10)


@pytest.mark.parametrize("order", ["", "&$orderby=numberofemployees", "&$orderby=numberofemployees desc,name desc"])
def test_pages_hold_every_row_once(order: str, local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Following @odata.nextLink gives each row once, in order, with nulls and equal values in the sort column."""
    rows = [{"name": f"n{i:02}", **({"numberofemployees": i % 3} if i % 4 else {})} for i in range(23)]
    local_dataverse.insert("account", rows)
    whole = caller.get(f"{local_dataverse.url}accounts?$select=name{order}").json()["value"]
    url, found = f"{local_dataverse.url}accounts?$select=name{order}", []
    while url:
        reply = caller.get(url, headers={"Prefer": "odata.maxpagesize=4"}).json()
        found += reply["value"]
        url = reply.get("@odata.nextLink", "")
    assert len(found) == 23
    assert [row["name"] for row in found] == [row["name"] for row in whole]


def test_a_page_follows_a_row_that_was_deleted(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The position does not depend on the last row still being there."""
    ids = local_dataverse.insert("account", [{"name": name} for name in "abcd"])
    url = f"{local_dataverse.url}accounts?$select=name&$orderby=name"
    first = caller.get(url, headers={"Prefer": "odata.maxpagesize=2"}).json()
    caller.delete(f"{local_dataverse.url}accounts({ids[1]})")
    second = caller.get(first["@odata.nextLink"], headers={"Prefer": "odata.maxpagesize=2"}).json()
    assert [row["name"] for row in second["value"]] == ["c", "d"]


def test_ids_sort_as_sql_server_sorts_them(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The last group weighs most, the first least."""
    low, high = "ffffffff-ffff-4fff-8fff-000000000001", "00000000-0000-4000-8000-000000000002"
    local_dataverse.insert("account", [{"accountid": high}, {"accountid": low}])
    found = caller.get(f"{local_dataverse.url}accounts?$select=accountid&$orderby=accountid").json()["value"]
    assert [row["accountid"] for row in found] == [low, high]
    after = caller.get(f"{local_dataverse.url}accounts?$select=accountid&$filter=accountid gt {low}").json()["value"]
    assert [row["accountid"] for row in after] == [high]


def test_replies_are_compressed_when_asked(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """gzip only for those who accept it."""
    local_dataverse.insert("account", [{"name": "x" * 50} for _ in range(50)])
    url = f"{local_dataverse.url}accounts?$select=name"
    with caller.get(url, headers={"Accept-Encoding": "gzip"}, stream=True) as packed:
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(json.loads(gzip.decompress(packed.raw.read()))["value"]) == 50
    plain = caller.get(url, headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize(
    ("changed", "status", "number"),
    [
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"tenant": "contoso"}, 400, 90002),
        ({"client_id": "wrong"}, 400, 700016),
        ({"scope": "https://elsewhere/.default"}, 400, 500011),
        ({"scope": "https://[/.default"}, 400, 500011),
        ({"grant_type": "password"}, 400, 70003),
    ],
)
def test_tokens_are_refused_as_entra_does(
    changed: dict[str, str], status: int, number: int, local_dataverse: LocalDataverse
) -> None:
    """Each wrong part of the form has its own status and AADSTS number; no secret is echoed."""
    reply = _token(local_dataverse, **changed)
    assert reply.status_code == status
    assert reply.json()["error_codes"] == [number]
    assert f"AADSTS{number}" in reply.json()["error_description"]
    assert local_dataverse.client_secret not in reply.text


def test_a_token_expires() -> None:
    """After its time a token is refused with the authority in WWW-Authenticate."""
    now = [datetime(2026, 3, 1, tzinfo=UTC)]
    with LocalDataverse(expires_in_s=60, clock=lambda: now[0]) as server:
        token = _token(server).json()
        assert token["expires_in"] == 59
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        assert requests.get(f"{server.url}WhoAmI", headers=headers, timeout=10).status_code == 200
        now[0] += timedelta(seconds=60)
        refused = requests.get(f"{server.url}WhoAmI", headers=headers, timeout=10)
        assert refused.status_code == 401
        assert f"authorization_uri={server.authority}{server.tenant_id}" in refused.headers["WWW-Authenticate"]


def test_injected_faults_come_as_often_as_asked(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """A status fault answers matching requests only, with its code and headers, then is used up."""
    local_dataverse.inject(
        Fault(status=429, code="0x80072322", message="RetrieveMultiple", headers={"Retry-After": "7"}, count=2)
    )
    assert caller.get(f"{local_dataverse.url}WhoAmI").status_code == 200
    for _ in range(2):
        throttled = caller.get(f"{local_dataverse.url}accounts")
        assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "7")
        assert throttled.json()["error"]["code"] == "0x80072322"
    assert caller.get(f"{local_dataverse.url}accounts").status_code == 200


@pytest.mark.parametrize(("kind", "rows"), [(FaultKind.DROP_BEFORE, 0), (FaultKind.DROP_AFTER, 1)])
def test_a_cut_connection_has_done_the_work_or_not(
    kind: FaultKind, rows: int, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """drop_before writes nothing, drop_after has written; the caller sees no answer in both."""
    local_dataverse.inject(Fault(kind, method="POST", path="accounts"))
    with pytest.raises(requests.ConnectionError):
        caller.post(f"{local_dataverse.url}accounts", data='{"name":"A"}')
    assert len(local_dataverse.rows("account")) == rows
    assert local_dataverse.requests[-1].status == 0


def test_tokens_can_be_ended(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """expire_tokens makes the next request a 401."""
    local_dataverse.inject({"kind": "expire_tokens"})
    assert caller.get(f"{local_dataverse.url}WhoAmI").status_code == 401


def test_the_log_tells_what_was_done(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """One entry per request: method, path with query, status, rows, message."""
    local_dataverse.clear_requests()
    targets = [{"@odata.type": "Microsoft.Dynamics.CRM.account", "name": n} for n in "ab"]
    caller.post(f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.CreateMultiple", json={"Targets": targets})
    caller.get(f"{local_dataverse.url}accounts?$select=name")
    found = [(e.method, e.status, e.rows, e.message) for e in local_dataverse.requests]
    assert found == [("POST", 200, 2, "CreateMultiple"), ("GET", 200, 2, "RetrieveMultiple")]
    assert local_dataverse.requests[1].path == "/api/data/v9.2/accounts?$select=name"


def test_the_local_door_serves_other_processes(local_dataverse: LocalDataverse) -> None:
    """Seeds, rows, faults and the log over HTTP."""
    root = f"{local_dataverse.authority}_local/"
    assert len(requests.post(f"{root}seed/account", json=[{"name": "A"}], timeout=10).json()["ids"]) == 1
    assert requests.get(f"{root}rows/account", timeout=10).json()["value"][0]["name"] == "A"
    assert requests.post(f"{root}faults", json={"status": 503}, timeout=10).status_code == 201
    assert requests.get(f"{local_dataverse.url}WhoAmI", timeout=10).status_code == 503
    assert requests.get(f"{root}requests", timeout=10).json()["value"][-1]["status"] == 503
    assert requests.post(f"{root}faults", json={"kind": "none"}, timeout=10).status_code == 400
    assert requests.post(f"{root}seed/account", json=[{"nme": "A"}], timeout=10).status_code == 400
    assert requests.get(f"{root}rows/nothing", timeout=10).status_code == 400


def test_inactive_rows_can_be_seeded(local_dataverse: LocalDataverse) -> None:
    """`insert` honours a state, which the Web API would not."""
    local_dataverse.insert("account", [{"name": "A", "statecode": 1}, {"name": "B"}])
    assert [(row["statecode"], row["statuscode"]) for row in local_dataverse.rows("account")] == [(1, 2), (0, 1)]


def test_the_page_shows_rows_and_escapes_them(local_dataverse: LocalDataverse) -> None:
    """Hostile texts in rows and requests appear as text; the page loads nothing."""
    local_dataverse.insert("account", [{"name": "<script>alert(1)</script>"} for _ in range(60)])
    requests.get(f"{local_dataverse.url}accounts?x=<img src=x>", timeout=10)
    for path in ("", "tables/account", "tables/account?page=2"):
        reply = requests.get(local_dataverse.authority + path, timeout=10)
        assert reply.status_code == 200
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert "<script" not in reply.text
        assert "<img" not in reply.text
    assert "&lt;script&gt;" in requests.get(f"{local_dataverse.authority}tables/account", timeout=10).text
    assert requests.get(f"{local_dataverse.authority}tables/nothing", timeout=10).status_code == 404


def test_the_page_shows_limits_and_faults(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Gauges per user and server, the faults that are on, hostile texts escaped; the style is let in by its hash."""
    requests.get(local_dataverse.authority, timeout=10)
    local_dataverse.limit(Limits(requests=1, servers=2))
    local_dataverse.insert(
        "systemuser", [{"fullname": "<i>x", "applicationid": "0d000000-0000-4000-8000-00000000c1d9"}]
    )
    local_dataverse.application.entitlement.count("0d000000-0000-4000-8000-00000000c1d9", 3)
    local_dataverse.inject(Fault(FaultKind.DEADLOCK, path="<script>", nth=3, count=None))
    for _ in range(3):
        caller.get(f"{local_dataverse.url}WhoAmI")
    page = requests.get(local_dataverse.authority, timeout=10)
    policy = page.headers["Content-Security-Policy"]
    assert ("unsafe" in policy, "script" in policy, "<script" in page.text, "<i>" in page.text) == (False,) * 4
    style = re.search("<style>(.*?)</style>", page.text, re.DOTALL)
    assert style is not None
    mark = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{mark}'" in policy
    for told in ("# Dynamics Sync", "<meter", "&lt;i&gt;x 3", "deadlock", "path &lt;script&gt;, nth 3", "always"):
        assert told in page.text, told


def test_long_urls_are_refused(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Over 32 KB a URL is answered with 414."""
    assert caller.get(f"{local_dataverse.url}accounts?$filter=name eq '{'a' * 33_000}'").status_code == 414


def test_long_chains_of_conditions_are_answered(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """A thousand alternatives, as clients that look keys up send them."""
    local_dataverse.insert("account", [{"name": "A"}])
    chain = " or ".join(f"statecode eq {i}" for i in range(999, -1, -1))
    reply = caller.get(f"{local_dataverse.url}accounts?$count=true&$filter={chain}")
    assert reply.json()["@odata.count"] == 1


@pytest.mark.parametrize(("language", "sensitive"), [(None, False), (1033, False), (1043, False), (1053, True)])
def test_accents_count_by_the_base_language(language: int | None, sensitive: bool) -> None:
    """In a Swedish environment Café and cafe are two keys, Café and CAFÉ one; the organization tells the language, and
    nobody changes it."""
    with LocalDataverse(settings=Settings(language=language)) as server:
        (organization,) = server.rows("organization")
        url = f"{server.url}organizations({organization['organizationid']})"
        headers = {"Authorization": f"Bearer {server.token()}"}
        assert requests.patch(url, json={"languagecode": 1036}, headers=headers, timeout=10).status_code == 204
        assert server.rows("organization")[0]["languagecode"] == (language or 1033)
        server.insert("account", [{"accountnumber": "Café"}])
        with pytest.raises(ValueError, match="Entity Key Account Number violated"):
            server.insert("account", [{"accountnumber": "CAFÉ"}])
        if sensitive:
            server.insert("account", [{"accountnumber": "cafe"}])
        else:
            with pytest.raises(ValueError, match="Entity Key Account Number violated"):
                server.insert("account", [{"accountnumber": "cafe"}])


def test_a_file_keeps_its_language(tmp_path: Path) -> None:
    """Opened without one it has its own; opened with another it is refused, and no row is lost."""
    file = tmp_path / "rows.sqlite"
    with LocalDataverse(file=file, settings=Settings(language=1053)) as server:
        server.insert("account", [{"accountnumber": "Café"}, {"accountnumber": "cafe"}])
    with pytest.raises(CannotOpenError, match="its base language is 1053, 1033 was asked for"):
        LocalDataverse(file=file, settings=Settings(language=1033))
    with LocalDataverse(file=file) as server:
        assert server.rows("organization")[0]["languagecode"] == 1053
        assert len(server.rows("account")) == 2
        with pytest.raises(ValueError, match="violated"):
            server.insert("account", [{"accountnumber": "CAFE"}])


def test_a_file_from_before_there_was_a_choice_is_english(tmp_path: Path) -> None:
    """Its text was folded as English folds it."""
    file = tmp_path / "rows.sqlite"
    LocalDataverse(file=file).stop()
    with closing(sqlite3.connect(file)) as database:
        database.execute("PRAGMA user_version=0")
    with pytest.raises(CannotOpenError, match="its base language is 1033"):
        LocalDataverse(file=file, settings=Settings(language=1053))
    LocalDataverse(file=file).stop()


def test_rows_outlive_the_process(tmp_path: Path) -> None:
    """With a file the rows, and the growing row versions, are there again."""
    with LocalDataverse(file=tmp_path / "rows.sqlite") as server:
        server.insert("account", [{"name": "A"}])
        (first,) = server.rows("account")
    with LocalDataverse(file=tmp_path / "rows.sqlite") as server:
        assert server.rows("account") == [first]
        server.insert("account", [{"name": "B"}])
        assert int(str(server.rows("account")[1]["versionnumber"])) > int(str(first["versionnumber"]))


def test_the_command_runs_until_told_to_stop(tmp_path: Path) -> None:
    """It prints its address, writes the ready file, and ends cleanly on SIGTERM."""
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "local.dataverse", "--ready-file", str(ready)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = line.split()[-1]
        assert urlsplit(address).hostname == "127.0.0.1"
        assert requests.get(f"{address}WhoAmI", timeout=10).status_code == 401
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert ready.read_text().strip() == address


NAMES = st.sampled_from(
    ["name", "creditlimit", "new_tier", "parentaccountid@odata.bind", "statuscode", "new_openedon", "accountid", "zzz"]
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20), st.sampled_from(["2026-01-01", "0001-01-01T00:00:00+14:00", "accounts()"]),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
OPTIONS = st.text(alphabet="abnmeqlorgt 0123456789'(),/@$=%-_.[]\"ñ", max_size=40)


@settings(max_examples=examples(40), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=3), option=OPTIONS)
def test_nothing_malformed_breaks_the_server(
    rows: list[dict[str, object]], option: str, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Whatever is sent, the answer is no 5xx, and a refused bulk call has changed no row."""
    before = local_dataverse.rows("account")
    targets = [{"@odata.type": "Microsoft.Dynamics.CRM.account", **row} for row in rows]
    body = json.dumps({"Targets": targets})
    for message in ("CreateMultiple", "UpdateMultiple", "UpsertMultiple"):
        reply = caller.post(f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.{message}", data=body)
        assert reply.status_code < 500, reply.text
        if reply.status_code >= 400:
            assert local_dataverse.rows("account") == before
        before = local_dataverse.rows("account")
    for query in (f"$filter={option}", f"$orderby={option}", f"$select={option}", f"$expand={option}", option):
        assert caller.get(f"{local_dataverse.url}accounts?{query}").status_code in (200, 400, 414, 501)
    assert caller.get(f"{local_dataverse.url}accounts({option})").status_code < 500


def test_paths_may_be_text_and_the_cookie_is_secure_over_https(tmp_path: Path) -> None:
    """Tables, file and certificate by name; the affinity cookie then goes over TLS only."""
    tables, certificate = tmp_path / "t.yaml", tmp_path / "c.pem"
    tables.write_text("built_in: true\n")
    limits = Limits(servers=2)
    with LocalDataverse(str(tables), str(tmp_path / "r.db"), https=str(certificate), limits=limits) as server:
        headers = {"Authorization": f"Bearer {server.token()}"}
        reply = requests.get(f"{server.url}WhoAmI", headers=headers, verify=str(certificate), timeout=10)
        assert reply.headers["Set-Cookie"].endswith("; HttpOnly; secure")


def test_a_cut_connection_is_not_told_on_the_terminal(
    local_dataverse: LocalDataverse, caller: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """The log of requests has it; the terminal stays clean."""
    local_dataverse.inject(Fault(FaultKind.DROP_ANSWER))
    with pytest.raises(requests.RequestException):
        caller.get(f"{local_dataverse.url}accounts")
    local_dataverse.settle()
    assert caller.get(f"{local_dataverse.url}WhoAmI").status_code == 200
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []
