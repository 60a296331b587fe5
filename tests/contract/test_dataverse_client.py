"""The client and a Dataverse agree: what is written is read back, and no fault on the way changes the result."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from local.dataverse import LocalDataverse
from shared.dataverse.auth import ClientSecretTokens
from shared.dataverse.client import DataverseClient
from shared.dataverse.transport import Transport
from shared.dataverse.writing import ID_TAKEN, Writer
from shared.errors import AuthenticationError, DestinationError
from shared.values.changes import OutcomeStatus, Write, WriteKind
from shared.values.tables import ColumnKind, DateBehaviour, LookupTarget

DONE, REJECTED, CONFLICT = OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.CONFLICT


class Time:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def dataverse(time):
    with LocalDataverse(clock=time) as server:
        yield server


@pytest.fixture
def transport(dataverse, time):
    with Transport(dataverse.url, tokens_of(dataverse, time), sleep=time.sleep, clock=time) as opened:
        yield opened


@pytest.fixture
def client(transport) -> DataverseClient:
    return DataverseClient(transport)


def tokens_of(dataverse, time, secret: str | None = None, tenant: str | None = None) -> ClientSecretTokens:
    return ClientSecretTokens(
        tenant,
        dataverse.client_id,
        secret or dataverse.client_secret,
        dataverse.url,
        dataverse.authority,
        clock=time,
        sleep=time.sleep,
        allowed_authorities=[dataverse.authority],
    )


def row_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def cities(count: int, **more: object) -> list[Write]:
    return [
        Write(n, row_id(n), json.dumps({"new_citycode": f"C{n}", "new_name": f"City [{n}]", **more}))
        for n in range(count)
    ]


def statuses(outcomes) -> list[OutcomeStatus]:
    return [outcome.status for outcome in outcomes]


def test_who_am_i_with_a_learned_tenant(client, dataverse):
    """Without a tenant id the service's 401 names it."""
    assert client.who_am_i().user_id
    assert client.who_am_i().organization_id


def test_a_wrong_secret_is_told(dataverse, time):
    """In plain words, without the secret."""
    tokens = tokens_of(dataverse, time, secret="wrong-secret", tenant=dataverse.tenant_id)
    with pytest.raises(AuthenticationError, match="AADSTS7000215") as caught:
        tokens.token()
    assert "wrong-secret" not in str(caught.value)


def test_environment(client):
    """Base language, its collation, currencies."""
    environment = client.environment()
    assert environment.base_language == 1033
    assert not environment.accent_sensitive
    assert environment.currencies["JPY"][1] == 0
    assert set(environment.currencies) >= {"EUR", "USD"}


@pytest.mark.parametrize("name", ["new_city", "new_cities", "new_City", "City"])
def test_a_table_by_any_of_its_names(client, name):
    """Logical, set, schema and display name."""
    assert client.table(name).name == "new_city"


def test_every_kind_of_column(client):
    """Kinds, bounds, options, targets and keys come from metadata."""
    table = client.table("new_city")
    kinds = {name: table.columns[name].kind for name in table.columns if name.startswith("new_")}
    assert kinds["new_population"] is ColumnKind.INTEGER
    assert kinds["new_latitude"] is ColumnKind.DOUBLE
    assert kinds["new_elevation"] is ColumnKind.DECIMAL
    assert kinds["new_budget"] is ColumnKind.MONEY
    assert kinds["new_tags"] is ColumnKind.CHOICES
    assert kinds["new_sizeclass"] is ColumnKind.CHOICE
    assert kinds["new_iscapital"] is ColumnKind.BOOLEAN
    assert kinds["new_externalid"] is ColumnKind.UNIQUEIDENTIFIER
    assert kinds["new_notes"] is ColumnKind.MEMO
    assert table.columns["new_name"].max_length == 200
    assert table.columns["new_foundedon"].date_behaviour is DateBehaviour.DATE_ONLY
    assert table.columns["new_localtime"].date_behaviour is DateBehaviour.TIME_ZONE_INDEPENDENT
    assert table.columns["new_sizeclass"].options[0].label == "Small"
    assert table.columns["new_countryid"].targets == (LookupTarget("new_country", "new_countries", "new_CountryId"),)
    assert {target.entity_set for target in table.columns["ownerid"].targets} == {"systemusers", "teams"}
    assert table.columns["statuscode"].options[0].state == 0
    assert table.columns["new_cityid"].primary_id
    assert table.key_over({"new_citycode"}).active
    assert table.bulk_create and table.bulk_update


def test_polymorphic_lookups(client):
    """One navigation property per target."""
    targets = client.table("contact").columns["parentcustomerid"].targets
    assert {(target.entity, target.navigation) for target in targets} == {
        ("account", "parentcustomerid_account"),
        ("contact", "parentcustomerid_contact"),
    }


@pytest.mark.parametrize("name", ["new_city", "new_nobulk"])
def test_a_row_lives(client, transport, dataverse, name):
    """Created under our id, read, updated, deleted; in bulk and by batches."""
    table = client.table(name)
    writer = Writer(transport, table)
    rows = [Write(n, row_id(n), json.dumps({"new_name": f"n{n}"})) for n in range(5)]
    assert statuses(writer.write(WriteKind.CREATE, rows)) == [DONE] * 5
    found = client.rows_by_id(table, [row_id(2), row_id(99)], ["new_name"])
    assert {one: row["new_name"] for one, row in found.items()} == {row_id(2): "n2"}
    changed = [Write(0, row_id(2), '{"new_name":"other"}')]
    assert statuses(writer.write(WriteKind.UPDATE, changed)) == [DONE]
    stale = [Write(0, row_id(2), '{"new_name":"late"}', found[row_id(2)]["@odata.etag"])]
    assert statuses(writer.write(WriteKind.UPDATE, stale)) == [CONFLICT]
    assert statuses(writer.write(WriteKind.DELETE, stale)) == [CONFLICT]
    assert statuses(writer.write(WriteKind.DELETE, [Write(0, row_id(2)), Write(1, row_id(77))])) == [DONE, DONE]
    assert len([row for row in dataverse.rows(name) if str(row["new_name"]).startswith("n")]) == 4


def test_pages_are_whole(client, transport, dataverse):
    """Every row once, over several pages; texts with brackets do no harm; the count agrees."""
    table = client.table("new_city")
    Writer(transport, table).write(WriteKind.CREATE, cities(25))
    pages = list(client.pages(table, ["new_name", "new_countryid"], page_size=10, lookup_types=True))
    rows = [row for page in pages for row in json.loads(bytes(page))]
    mine = {row["new_cityid"] for row in rows} & {row_id(n) for n in range(25)}
    assert len(mine) == 25
    assert len(rows) == len({row["new_cityid"] for row in rows}) == len(dataverse.rows("new_city"))
    assert client.total(table) in (None, len(rows))
    assert client.total(table, "startswith(new_citycode,'C1')") == 11


def test_rows_by_key(client, transport):
    """One column or several; quotes, brackets and signs in values; the filter holds too."""
    table = client.table("new_city")
    odd = ["O'Neil", "both ' and \"", "a[b]%_c", "x & y #1 + é", "plain"]
    rows = [
        Write(n, row_id(n), json.dumps({"new_citycode": code, "new_population": n}, ensure_ascii=False))
        for n, code in enumerate(odd)
    ]
    assert statuses(Writer(transport, table).write(WriteKind.CREATE, rows)) == [DONE] * 5

    def ids(found):
        return {row["new_cityid"] for rows in found for row in rows}

    keys = [(code,) for code in odd]
    assert ids(client.rows_by_key(table, ["new_citycode"], keys, ["new_name"])) == {row_id(n) for n in range(5)}
    pairs = [(code, n) for n, code in enumerate(odd)]
    columns = ["new_citycode", "new_population"]
    assert ids(client.rows_by_key(table, columns, pairs, ["new_name"])) == {row_id(n) for n in range(5)}
    some = client.rows_by_key(table, columns, pairs, [], filter="new_population gt 2")
    assert ids(some) == {row_id(3), row_id(4)}


@pytest.mark.parametrize("name", ["new_city", "new_nobulk"])
def test_bad_records_do_not_sink_their_neighbours(client, transport, name):
    """Each is rejected with Dataverse's own code; the rest lands."""
    table = client.table(name)
    rows = [Write(n, row_id(n), json.dumps({"new_name": f"n{n}"})) for n in range(100)]
    rows[17] = Write(17, row_id(17), json.dumps({"new_name": "x" * 500}))
    outcomes = Writer(transport, table).write(WriteKind.CREATE, rows)
    assert [n for n, outcome in enumerate(outcomes) if outcome.status is not DONE] == [17]
    assert (outcomes[17].status, outcomes[17].code) == (REJECTED, "0x80044331")
    assert outcomes[17].request_id
    assert len(client.rows_by_id(table, [one.row_id for one in rows], [])) == 99


def test_ids_and_keys_that_exist(client, transport):
    """An id that is taken, and an alternate key that is taken, are two things."""
    writer = Writer(transport, client.table("new_city"))
    writer.write(WriteKind.CREATE, cities(3))
    taken = Write(1, row_id(1), '{"new_name":"again"}')
    double = Write(2, row_id(50), '{"new_citycode":"c2"}')
    outcomes = writer.write(WriteKind.CREATE, [taken, double, Write(3, row_id(51), '{"new_citycode":"new"}')])
    assert statuses(outcomes) == [REJECTED, REJECTED, DONE]
    assert outcomes[0].message.startswith(ID_TAKEN)
    assert outcomes[1].code == "0x80060892"


@pytest.mark.parametrize("name", ["new_city", "new_nobulk"])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_cut_connections_double_nothing(client, transport, dataverse, name, kind):
    """Cut before or after the service has committed: every row is there once and told as done."""
    table = client.table(name)
    dataverse.inject({"kind": kind, "method": "POST"})
    rows = [Write(n, row_id(n), json.dumps({"new_name": f"n{n}"})) for n in range(10)]
    assert statuses(Writer(transport, table).write(WriteKind.CREATE, rows)) == [DONE] * 10
    assert len(client.rows_by_id(table, [one.row_id for one in rows], [])) == 10
    dataverse.inject({"kind": kind, "method": "POST"})
    assert statuses(Writer(transport, table).write(WriteKind.DELETE, rows)) == [DONE] * 10


def test_throttling_and_outages_pass(client, transport, dataverse, time):
    """429 waits as long as it is told; 503 is tried again; an expired token is renewed."""
    throttled = {
        "status": 429,
        "code": "0x80072322",
        "text": "Number of requests exceeded",
        "headers": {"Retry-After": "13"},
    }
    assert client.who_am_i().user_id
    dataverse.inject(throttled)
    assert client.who_am_i().user_id
    assert time.slept == [13.0]
    dataverse.inject({"status": 503, "count": 2})
    assert client.who_am_i().user_id
    dataverse.inject({"kind": "expire_tokens"})
    assert client.who_am_i().user_id
    assert transport.requests.throttled == 1


@pytest.mark.parametrize(
    "fault", [{"code": "0x80044150", "text": "Sql Number: 1205"}, {"code": "0x80044151", "text": "Sql Number: -2"}]
)
def test_database_troubles_pass(client, transport, dataverse, fault):
    """A deadlock is repeated, a timeout halves the call."""
    table = client.table("new_city")
    dataverse.inject({"status": 500, "message": "CreateMultiple", **fault})
    assert statuses(Writer(transport, table).write(WriteKind.CREATE, cities(10))) == [DONE] * 10


def test_an_unknown_column_ends_the_job(client, transport):
    """When every row is refused for it."""
    with pytest.raises(DestinationError, match="mapping"):
        Writer(transport, client.table("new_city")).write(WriteKind.CREATE, cities(12, new_nosuch=1))


def test_lookups_are_bound(client, transport):
    """The bind path of metadata's target is what the service wants."""
    country, city = client.table("new_country"), client.table("new_city")
    Writer(transport, country).write(WriteKind.CREATE, [Write(0, row_id(900), '{"new_iso":"XX"}')])
    target = city.columns["new_countryid"].targets[0]
    body = json.dumps({f"{target.navigation}@odata.bind": f"/{target.entity_set}({row_id(900)})"})
    assert statuses(Writer(transport, city).write(WriteKind.CREATE, [Write(0, row_id(1), body)])) == [DONE]
    row = client.rows(city, ["new_countryid"], filter=f"_new_countryid_value eq {row_id(900)}", lookup_types=True)[0]
    assert row["_new_countryid_value"] == row_id(900)
    assert row["_new_countryid_value@Microsoft.Dynamics.CRM.lookuplogicalname"] == "new_country"
    missing = json.dumps({f"{target.navigation}@odata.bind": f"/{target.entity_set}({row_id(901)})"})
    lost = Writer(transport, city).write(WriteKind.CREATE, [Write(0, row_id(2), missing)])
    assert (lost[0].status, lost[0].code) == (REJECTED, "0x80040217")


def test_a_run_of_requests_is_counted(client, transport, dataverse):
    """The counters say what the service saw (tokens apart)."""
    client.table("new_city")
    asked = [one for one in dataverse.requests if one.message != "Token"]
    learned = 1  # the question without a token that names the tenant
    assert transport.requests.requests == len(asked) - learned
