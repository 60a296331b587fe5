"""The client reads what the service sends, all of it and nothing else."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.dataverse.client import DataverseClient
from shared.errors import DestinationError, UnavailableError
from tests.unit.dataverse.service import IDS_IN_QUERY, Say, account_table, refusal, row_id, transport_to

TABLE = account_table()


@pytest.fixture
def client_of(serve, time):
    """A client of a scripted service."""
    opened = []

    def start(script):
        opened.append(transport_to(serve(script).url, time))
        return DataverseClient(opened[-1])

    yield start
    for transport in opened:
        transport.close()


def options(seen) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(seen.path).query).items()}


def test_pages(serve, time):
    """Every page's array as sent, in order, empty ones too; the same headers on each; the link verbatim."""
    rows = [b'[{"accountid":"1", "name":"\\"value\\":["}]', b"[]", b'[ {"accountid":"2"} ]']

    def script(seen):
        number = int(options(seen).get("$skiptoken", "0"))
        link = f"{service.url}/api/data/v9.2/accounts?$select=name&$skiptoken={number + 1}"
        more = f',"@odata.nextLink":{json.dumps(link)}'.encode() if number < 2 else b""
        return Say(200, b'{"value":' + rows[number] + more + b"}")

    service = serve(script)
    with transport_to(service.url, time) as transport:
        pages = DataverseClient(transport).pages(
            TABLE, ["name", "parentaccountid"], filter="statecode eq 0", lookup_types=True, page_size=9999
        )
        assert list(pages) == rows
    first = service.seen[0]
    assert options(first) == {
        "$select": "accountid,name,_parentaccountid_value",
        "$filter": "statecode eq 0",
        "$orderby": "accountid",
    }
    prefer = 'odata.maxpagesize=5000,odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"'
    assert [seen.headers["prefer"] for seen in service.seen] == [prefer] * 3


def test_a_link_that_comes_again_ends_the_read(client_of):
    """A read that would never end is stopped."""
    client = client_of(lambda seen: Say(200, {"value": [], "@odata.nextLink": "accounts?$skiptoken=1"}))
    with pytest.raises(DestinationError, match="same next link twice"):
        list(client.pages(TABLE, ["name"]))


def test_a_link_elsewhere_is_not_followed(client_of):
    """A next link to another host is refused."""
    client = client_of(lambda seen: Say(200, {"value": [], "@odata.nextLink": "https://evil.example/x"}))
    with pytest.raises(DestinationError, match="same origin"):
        list(client.pages(TABLE, ["name"]))


def test_half_a_page_is_no_page(client_of):
    """A body that ends in the middle is an error, not fewer rows."""
    client = client_of(lambda seen: Say(200, b'{"value":[{"accountid":"1"},{"acc'))
    with pytest.raises(UnavailableError, match="ended in the middle"):
        client.rows(TABLE, ["name"])


def test_rows_by_id(serve, time):
    """All ids are asked for within the length of an address, each found row once with its version."""
    wanted = [row_id(number) for number in range(2000)]

    def script(seen):
        found = IDS_IN_QUERY.findall(seen.query)
        rows = [{"accountid": one.upper(), "@odata.etag": 'W/"1"', "name": "x"} for one in found if one != row_id(5)]
        return Say(200, {"value": rows})

    service = serve(script)
    with transport_to(service.url, time) as transport:
        rows = DataverseClient(transport).rows_by_id(TABLE, wanted, ["name"])
    assert set(rows) == set(wanted) - {row_id(5)}
    assert rows[row_id(7)]["@odata.etag"] == 'W/"1"'
    assert all(len(seen.path) < 32 * 1024 for seen in service.seen)
    assert len(service.seen) < 5


def test_rows_by_key_with_a_filter(serve, time):
    """The keys' condition and the filter must both hold, the filter in brackets of its own."""
    service = serve(lambda seen: Say(200, {"value": [{"accountid": row_id(1)}]}))
    with transport_to(service.url, time) as transport:
        found = DataverseClient(transport).rows_by_key(
            TABLE, ["accountnumber"], [("A&B",), ("O'Neil",)], ["name"], filter="a eq 1 or b eq 2"
        )
        assert list(found) == [[{"accountid": row_id(1)}]]
    condition = "Microsoft.Dynamics.CRM.In(PropertyName='accountnumber',PropertyValues=['A&B',\"O'Neil\"])"
    assert options(service.seen[0])["$filter"] == f"(a eq 1 or b eq 2) and ({condition})"


def test_no_keys_no_requests(client_of):
    """Nothing is asked when nothing is wanted."""
    client = client_of(lambda seen: Say(500))
    assert client.rows_by_id(TABLE, [], ["name"]) == {}
    assert list(client.rows_by_key(TABLE, ["name"], [], ["name"])) == []


@pytest.mark.parametrize(("text", "found"), [(b"\xef\xbb\xbf17", 17), (b"5000", None), (b"junk", None), (b"0", 0)])
def test_count_with_a_filter(client_of, text, found):
    """A count is taken as it is, save where it ends."""
    assert client_of(lambda seen: Say(200, text)).total(TABLE, "statecode eq 0") == found


def test_count_of_the_whole_table(client_of):
    """The service's own count, or none where it does not offer it."""
    whole = {"EntityRecordCountCollection": {"Count": 1, "Keys": ["account"], "Values": [123456]}}
    assert client_of(lambda seen: Say(200, whole)).total(TABLE) == 123456
    assert client_of(lambda seen: refusal(404, "", "Resource not found for the segment")).total(TABLE) is None


@pytest.mark.parametrize(
    ("condition", "counted", "told", "found"),
    [
        (None, b"17", 9, 17),
        (None, b"5000", 123456, 123456),
        (None, b"17", None, 17),
        ("statecode eq 0", b"17", 123456, 17),
        ("statecode eq 0", b"5000", 123456, 5000),
        ("statecode eq 0", b"junk", 123456, 0),
    ],
)
def test_rows_at_the_least(client_of, condition, counted, told, found):
    """Counted now, and of a whole table as the service says, whose count may be a day old."""

    def script(seen):
        if "/$count" in seen.path:
            return Say(200, counted)
        values = {"EntityRecordCountCollection": {"Values": [told]}}
        return refusal(404, "", "no such function") if told is None else Say(200, values)

    assert client_of(script).at_least(TABLE, condition) == found


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (Say(200, {"value": [{"rows": 41_234}]}), 41_234),
        (refusal(400, "0x8004e023", "AggregateQueryRecordLimit exceeded."), 50_000),
        (refusal(400, "0x80060888", "$apply is not supported"), 5000),
        (Say(200, {"value": []}), 5000),
        (Say(200, {"value": [{"rows": "many"}]}), 5000),
    ],
)
def test_rows_behind_a_filter_are_counted_beyond_the_plain_count(client_of, answer, found):
    """Where the plain count ends, aggregation counts on to its own end; a service without it takes nothing away."""
    asked = []

    def script(seen):
        if "/$count" in seen.path:
            return Say(200, b"5000")
        asked.append(options(seen))
        return answer

    assert client_of(script).at_least(TABLE, "statecode eq 0") == found
    assert asked == [{"$apply": "filter(statecode eq 0)/aggregate($count as rows)"}]


def test_environment(client_of):
    """Identity, base language and what follows from it, currencies by code."""

    def script(seen):
        if "WhoAmI" in seen.path:
            return Say(200, {"UserId": "u", "BusinessUnitId": "b", "OrganizationId": "o"})
        if "organizations" in seen.path:
            return Say(200, {"value": [{"languagecode": 1053, "pricingdecimalprecision": 0}]})
        return Say(200, {"value": [{"transactioncurrencyid": "ABC", "isocurrencycode": "eur", "currencyprecision": 0}]})

    environment = client_of(script).environment()
    assert (environment.organization_id, environment.user_id) == ("o", "u")
    assert environment.accent_sensitive
    assert environment.pricing_precision == 0
    assert environment.currencies == {"EUR": ("abc", 0)}


def test_an_environment_without_organisation(client_of):
    """A role that may not read the organisation is told so."""
    client = client_of(lambda seen: Say(200, {"value": []}))
    with pytest.raises(DestinationError, match="base language"):
        client.environment()
