"""Tracked queries: followed to their last page, their changes told apart, and nothing believed that cannot be."""

from __future__ import annotations

import pytest

from shared.dataverse.tracking import ChangeTracking
from shared.errors import DestinationError
from tests.unit.dataverse.service import Say, account_table, transport_to

ACCOUNT = account_table()

A, B, C = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")


def page(rows: list[dict[str, object]], **links: str) -> Say:
    return Say(200, {"value": rows} | {f"@odata.{name}Link": link for name, link in links.items()})


def there(row_id: str) -> dict[str, object]:
    return {"@odata.etag": 'W/"1"', "accountid": row_id}


def gone(row_id: object) -> dict[str, object]:
    return {"@odata.context": "x/$metadata#accounts/$deletedEntity", "id": row_id, "reason": "deleted"}


def test_changes_come_from_all_pages_and_the_link_from_the_last(serve, time) -> None:
    """Ids in one form; a row that came back is no deletion; every page is asked for as a tracked one."""
    second = "/api/data/v9.2/accounts?$skiptoken=2"
    answers = {
        "$deltatoken=1": lambda url: page([there(A.upper()), there(B)], next=url + second),
        "$skiptoken=2": lambda url: page([gone(C), gone(B.upper())], delta=url + "/later"),
    }
    service = serve(lambda seen: next(say for part, say in answers.items() if part in seen.query)(service.url))
    with transport_to(service.url, time) as transport:
        found = ChangeTracking(transport).since(ACCOUNT, "accounts?$deltatoken=1")
    assert (found.changed, found.gone, found.ids) == ({A, B}, {C}, {A, B, C})
    assert found.link == service.url + "/later"
    assert {seen.headers["prefer"] for seen in service.seen} == {"odata.track-changes"}


def test_a_first_link_costs_the_ids_only(serve, time) -> None:
    """All pages are followed; what they hold is not looked into."""
    service = serve(lambda seen: page([{"nonsense": 1}], delta="https://x/delta"))
    with transport_to(service.url, time) as transport:
        assert ChangeTracking(transport).begin(ACCOUNT) == "https://x/delta"
    assert [seen.query.partition("?")[2] for seen in service.seen] == ["$select=accountid"]


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (page([there(A)]), "without a link"),
        (page([there("no guid")], delta="x"), "without the id"),
        (page([gone(None)], delta="x"), "without the id"),
        (page([there(A)], next="accounts?$deltatoken=1"), "twice"),
        (Say(200, {"value": [], "@odata.deltaLink": 7}), "not a text"),
    ],
)
def test_what_is_no_answer_is_refused(serve, time, say: Say, words: str) -> None:
    """No link, no id, a link in a circle: an error that says so, never a guess."""
    service = serve(lambda seen: say)
    with transport_to(service.url, time) as transport, pytest.raises(DestinationError, match=words):
        ChangeTracking(transport).since(ACCOUNT, "accounts?$deltatoken=1")
