"""Queries over HTTP that a single case cannot tell: pages to their end, long URLs, limits, collations, the client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
import requests

from local.dataverse import LocalDataverse
from local.dataverse.conditions.seen import guid_key

PAGES = {"Prefer": "odata.maxpagesize=3"}


def _pages(caller: requests.Session, url: str) -> Iterator[Any]:
    while url:
        reply = caller.get(url, headers=PAGES)
        assert reply.status_code == 200, reply.text
        yield from reply.json()["value"]
        url = reply.json().get("@odata.nextLink", "")


@pytest.fixture
def names(local_dataverse: LocalDataverse) -> list[str]:
    """The names of eleven accounts, in order."""
    listed = [f"n{number:02}" for number in range(11)]
    local_dataverse.insert("account", [{"name": name, "numberofemployees": 1} for name in listed])
    return listed


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT name FROM account ORDER BY name", slice(None)),
        ("SELECT TOP 7 name FROM account ORDER BY name", slice(7)),
        ("SELECT name FROM account ORDER BY name OFFSET 2 ROWS FETCH NEXT 6 ROWS ONLY", slice(2, 8)),
        ("SELECT DISTINCT name FROM account", slice(None)),
    ],
)
def test_pages_of_sql(
    sql: str, expected: slice, names: list[str], local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Following @odata.nextLink gives the rows of a SQL query once each, no more than it asks for."""
    found = _pages(caller, f"{local_dataverse.url}accounts?sql={quote(sql)}")
    assert [row["name"] for row in found] == names[expected]


def test_pages_of_fetchxml(names: list[str], local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The paging cookie, decoded as the service's own clients do, opens the next page."""
    fetch = ElementTree.fromstring(
        "<fetch count='4'><entity name='account'><attribute name='name'/><order attribute='name'/></entity></fetch>"
    )
    headers = {"Prefer": 'odata.include-annotations="Microsoft.Dynamics.CRM.*"'}
    found, more = [], True
    while more:
        text = quote(ElementTree.tostring(fetch, encoding="unicode"))
        page = caller.get(f"{local_dataverse.url}accounts?fetchXml={text}", headers=headers).json()
        found += [row["name"] for row in page["value"]]
        more = page["@Microsoft.Dynamics.CRM.morerecords"]
        if more:
            cookie = ElementTree.fromstring(page["@Microsoft.Dynamics.CRM.fetchxmlpagingcookie"])
            inner = requests.utils.unquote(requests.utils.unquote(cookie.attrib["pagingcookie"]))
            fetch.set("paging-cookie", inner)
            fetch.set("page", cookie.attrib["pagenumber"])
    assert found == names


def test_the_link_of_a_collection_opens_its_rest(
    names: list[str], local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """An expanded collection that did not fit goes on at its own link, in the order it was asked in."""
    (parent,) = local_dataverse.insert("account", [{"name": "parent"}])
    local_dataverse.insert("account", [{"name": n, "parentaccountid@odata.bind": f"accounts({parent})"} for n in names])
    inner = "$select=name;$orderby=name desc;$filter=name ne 'n05'"
    url = f"{local_dataverse.url}accounts({parent})?$select=name&$expand=account_parent_account({inner})"
    row = caller.get(url, headers=PAGES).json()
    first = [child["name"] for child in row["account_parent_account"]]
    rest = [child["name"] for child in _pages(caller, row["account_parent_account@odata.nextLink"])]
    assert first + rest == [name for name in reversed(names) if name != "n05"]
    assert len(first) == 3


def test_collections_of_many_to_many(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """Expanded, filtered and read like those of a lookup, from both sides."""
    url = local_dataverse.url
    accounts = local_dataverse.insert("account", [{"name": "A"}, {"name": "B"}])
    cities = local_dataverse.insert("new_city", [{"new_name": name, "new_citycode": name} for name in "xyz"])
    for city in cities[:2]:
        reply = caller.post(
            f"{url}accounts({accounts[0]})/new_account_city/$ref", json={"@odata.id": f"{url}new_cities({city})"}
        )
        assert reply.status_code == 204, reply.text
    rows = caller.get(f"{url}accounts?$select=name&$expand=new_account_city($select=new_name;$orderby=new_name desc)")
    assert [[c["new_name"] for c in row["new_account_city"]] for row in rows.json()["value"]] == [["y", "x"], []]
    some = caller.get(f"{url}accounts?$select=name&$filter=new_account_city/any(c:c/new_name eq 'Y')").json()["value"]
    assert [row["name"] for row in some] == ["A"]
    assert len(caller.get(f"{url}accounts({accounts[0]})/new_account_city").json()["value"]) == 2


def test_long_urls(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """32 KB by itself, 64 KB inside a batch; longer ones are refused, with 414 and inside a batch with 400."""

    def url(size: int) -> str:
        start = f"{local_dataverse.url}accounts?$filter=name eq '"
        return start + "x" * (size - len(start) - 1) + "'"

    def inside(size: int) -> requests.Response:
        body = f"--b\r\nContent-Type: application/http\r\n\r\nGET {url(size)} HTTP/1.1\r\n\r\n\r\n--b--\r\n"
        headers = {"Content-Type": "multipart/mixed; boundary=b"}
        return caller.post(f"{local_dataverse.url}$batch", data=body, headers=headers)

    assert caller.get(url(32_000)).status_code == 200
    assert caller.get(url(33_500)).status_code == 414
    assert "HTTP/1.1 200" in inside(65_000).text
    assert "HTTP/1.1 400" in inside(66_500).text


def test_counts_end_at_five_thousand(local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """The count, its annotations and `/$count` stop there; RetrieveTotalRecordCount does not."""
    local_dataverse.insert("new_city", [{"new_citycode": str(number)} for number in range(5001)])
    url = f"{local_dataverse.url}new_cities"
    page = caller.get(
        f"{url}?$select=new_citycode&$count=true", headers={"Prefer": 'odata.include-annotations="*"'}
    ).json()
    assert (page["@odata.count"], len(page["value"])) == (5000, 5000)
    assert page["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is True
    assert "@odata.nextLink" in page
    large = caller.get(f"{url}?$select=new_citycode", headers={"Prefer": "odata.maxpagesize=9999"})
    assert len(large.json()["value"]) == 5000
    assert large.headers["Preference-Applied"] == "odata.maxpagesize=5000"
    assert caller.get(f"{url}/$count").content.decode("utf-8-sig") == "5000"
    total = caller.get(f"{local_dataverse.url}RetrieveTotalRecordCount(EntityNames=['new_city'])").json()
    assert total["EntityRecordCountCollection"]["Values"] == [5001]
    counted = caller.get(f"{url}?$apply=aggregate($count as n)").json()["value"]
    assert counted == [{"n": 5001}]


def test_aggregates_read_at_most_fifty_thousand_rows(
    monkeypatch: pytest.MonkeyPatch, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Beyond the limit `$apply` and FetchXML are refused with the service's code (the limit is lowered here)."""
    monkeypatch.setattr("local.dataverse.odata.applying.MAX_SOURCE", 2)
    monkeypatch.setattr("local.dataverse.fetchxml.answering.MAX_SOURCE", 2)
    local_dataverse.insert("account", [{"name": name} for name in "abc"])
    url = f"{local_dataverse.url}accounts"
    fetch = "<entity name='account'><attribute name='name' aggregate='count' alias='n'/></entity></fetch>"
    for query in (
        "$apply=aggregate($count as n)",
        f"fetchXml=<fetch aggregate='true'>{quote(fetch)}",
        "sql=SELECT COUNT(*) AS n FROM account",
    ):
        reply = caller.get(f"{url}?{query}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "0x8004e023"), query
    within = caller.get(f"{url}?$apply=filter(name ne 'a')/aggregate($count as n)").json()["value"]
    assert within == [{"n": 2}]


@pytest.mark.parametrize("order", ["numberofemployees", "numberofemployees desc", "numberofemployees desc,name"])
def test_pages_hold_every_row_once_also_those_without_a_value(
    order: str, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Whichever way they are sorted, and wherever a page ends."""
    ids = local_dataverse.insert(
        "account", [{"numberofemployees": number} for number in (None, 3, 1, None, 2, 2, None)]
    )
    found: list[str] = []
    url: str | None = f"{local_dataverse.url}accounts?$select=numberofemployees&$orderby={order}"
    while url is not None:
        document = caller.get(url, headers={"Prefer": "odata.maxpagesize=2"}).json()
        found += [row["accountid"] for row in document["value"]]
        url = document.get("@odata.nextLink")
    assert sorted(found) == sorted(ids)


@pytest.mark.parametrize("order", ["accountid", "createdon", "createdon,accountid"])
def test_late_pages_cost_their_own_rows(order: str, local_dataverse: LocalDataverse, caller: requests.Session) -> None:
    """In the orders of whole tables every row comes once; a page costs its rows, among equal times too."""
    times = ["2020-01-01T00:00:00Z"] * 500 + ["2020-01-02T00:00:00Z"] * 100
    local_dataverse.insert("account", [{"name": "a", "overriddencreatedon": time} for time in times])
    steps, found = [0], list[dict[str, str]]()
    store = local_dataverse.application.service.world.store
    with local_dataverse.application.lock:
        store.run("UPDATE account SET createdon = NULL WHERE rowid % 10 = 0")
        store._db.set_progress_handler(lambda: steps.__setitem__(-1, steps[-1] + 1), 100)
    link = f"{local_dataverse.url}accounts?$select=accountid,createdon&$orderby={order}"
    while link:
        page = caller.get(link, headers={"Prefer": "odata.maxpagesize=50"}).json()
        found += page["value"]
        link = page.get("@odata.nextLink", "")
        steps.append(0)
    assert len({row["accountid"] for row in found}) == len(found) == 600
    places = [(row["createdon"] or "", guid_key(row["accountid"])) for row in found]
    if order == "createdon":
        assert [at for at, _ in places] == sorted(at for at, _ in places)
    else:
        assert places == sorted(places, key=lambda place: place[order == "accountid" :])
    assert max(steps[2:]) <= 10
