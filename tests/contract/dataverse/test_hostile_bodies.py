"""Whatever a body holds, the answer is a success or a refusal; nothing breaks, and a refusal changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.messages import Request
from local.dataverse.service import Service
from tests.examples import examples

ID = "cccccccc-0000-4000-8000-000000000001"
numbers = st.sampled_from(
    ["0", "-1", "1e400", "-1e400", "1e-400", "9" * 400, "123456789012345.123456789", "1.5", "2.5e1"]
)
texts = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "$1",
            "new_countries(x)",
            f"new_countries({ID})",
            "\ud800",
            "\x00",
            "9999-99-99",
            "2026-03-01T08:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "1,2,,",
            ID,
        ]
    ),
)
scalars = st.one_of(numbers, st.sampled_from(["null", "true", "NaN"]), texts.map(json.dumps))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2).map(lambda v: f"[{','.join(v)}]"),
        st.dictionaries(texts, inner, max_size=2).map(
            lambda v: "{" + ",".join(f"{json.dumps(k)}:{x}" for k, x in v.items()) + "}"
        ),
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    server = LocalDataverse()
    yield server.application.service
    server.stop()


def members(service: Service) -> list[str]:
    table = service.world.tables.by_name["new_city"]
    collections = service.world.tables.collections["new_city"]
    binds = [f"{name}@odata.bind" for name in (*table.navigations, *collections)]
    return [*table.columns, *table.navigations, *collections, *binds, "@odata.id", "@odata.type", "@", "new_name@x.y"]


@settings(max_examples=examples(400), deadline=None)
@given(st.data())
def test_no_body_breaks_the_server(service: Service, data: st.DataObject) -> None:
    """A row, an update, a bulk target, a reference, a bulk delete: any JSON in any member."""
    names = data.draw(st.lists(st.sampled_from(members(service)), max_size=4, unique=True))
    row = ",".join(f"{json.dumps(name)}:{data.draw(values)}" for name in names)
    method, path, text = data.draw(
        st.sampled_from(
            [
                ("POST", "new_cities", "{%s}"),
                ("PATCH", f"new_cities({ID})", "{%s}"),
                (
                    "POST",
                    "new_cities/Microsoft.Dynamics.CRM.CreateMultiple",
                    '{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.new_city",%s}]}',
                ),
                (
                    "POST",
                    "new_cities/Microsoft.Dynamics.CRM.UpsertMultiple",
                    '{"Targets":[{"@odata.type":"Microsoft.Dynamics.CRM.new_city",%s}]}',
                ),
                ("POST", f"new_cities({ID})/new_account_city/$ref", "{%s}"),
                ("PUT", f"new_cities({ID})/new_budget", '{"value":{%s}}'),
                ("POST", "BulkDelete", '{"QuerySet":[{"EntityName":"new_city","Criteria":{%s}}]}'),
            ]
        )
    )
    sent = (text % row).replace(",}", "}").encode("utf-8", "surrogatepass")
    for _ in range(2):  # a bulk delete that was ordered before is done
        service.answer(Request("GET", "WhoAmI", "", {}, b"", "http://local/"))
    before = counted(service)
    reply = service.answer(Request(method, path, "", {}, sent, "http://local/"))
    assert 200 <= reply.status < 500 or reply.status == 501
    assert reply.status < 400 or counted(service) == before


def counted(service: Service) -> list[object]:
    tables = ("new_city", "account", "new_country", "asyncoperation")
    return [service.world.store.value(f"SELECT count(*) || coalesce(max(versionnumber), '') FROM {t}") for t in tables]


PIECES = [
    "--b",
    "--b--",
    "--c",
    "--c--",
    "\r\n",
    "\r\n\r\n",
    "\n",
    "Content-Type: application/http",
    "Content-Type: multipart/mixed; boundary=c",
    "Content-ID: 1",
    "POST accounts HTTP/1.1",
    "GET /api/data/v9.2/accounts?$select=name HTTP/1.1",
    "PATCH $1 HTTP/1.1",
    "DELETE http://h/api/data/v9.2/accounts HTTP/1.1",
    "POST $batch HTTP/1.1",
    "If-Match: *",
    '{"name":"A"}',
    '{"parentaccountid@odata.bind":"$1"}',
    "é\x00%zz",
]
SOUND = "--b\r\nContent-Type: application/http\r\n\r\nPOST accounts HTTP/1.1\r\n\r\n{}\r\n--b--\r\n"


@settings(max_examples=examples(300), deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map("\r\n".join),
    st.integers(0, len(SOUND)),
    st.integers(0, len(SOUND)),
    st.booleans(),
)
def test_no_batch_breaks_the_server(service: Service, made: str, start: int, end: int, spoiled: bool) -> None:
    """Pieces of a batch in any order, or put into the middle of a sound one."""
    text = SOUND[:start] + made + SOUND[end:] if spoiled else f"--b\r\n{made}\r\n--b--\r\n"
    headers = {"content-type": "multipart/mixed; boundary=b", "prefer": "odata.continue-on-error"}
    reply = service.answer(Request("POST", "$batch", "", headers, text.encode(), "http://local/"))
    assert reply.status in (200, 400)
    assert b"HTTP/1.1 5" not in reply.body
