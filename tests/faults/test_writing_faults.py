"""For any mix of good and bad rows and any faults that end: the good land once, each bad one has its own reason."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.limits import Limits
from shared.dataverse.auth import ClientSecretTokens
from shared.dataverse.client import DataverseClient
from shared.dataverse.transport import Transport
from shared.dataverse.writing import Writer
from shared.errors import RetryError
from shared.values.changes import Outcome, OutcomeStatus, Write, WriteKind

ROWS = 60
GOOD, TOO_LONG, NO_OPTION, NO_PARENT = "good", "too long", "no option", "no parent"
CODES = {TOO_LONG: "0x80044331", NO_OPTION: "0x8004431a", NO_PARENT: "0x80040217"}
BODIES: dict[str, dict[str, object]] = {
    GOOD: {},
    TOO_LONG: {"new_name": "x" * 5000},
    NO_OPTION: {"new_sizeclass": 7},
    NO_PARENT: {"new_CountryId@odata.bind": "/new_countries(11111111-0000-4000-8000-00000000dead)"},
}
FAULTS: list[dict[str, object]] = [
    {"kind": "drop_before"},
    {"kind": "drop_after"},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 504},
    {"kind": "status", "status": 500, "code": "0x80044150", "text": "Generic SQL error. Sql Number: 1205"},
    {"kind": "status", "status": 500, "code": "0x80044151", "text": "SQL timeout expired. Sql Number: -2"},
    {"kind": "status", "status": 429, "code": "0x80072321", "headers": {"Retry-After": "1"}},
    {"kind": "status", "status": 429, "code": "0x80072326", "headers": {"Retry-After": "1"}},
    {"kind": "status", "status": 413},
]
OPEN = (OutcomeStatus.NOT_ATTEMPTED, OutcomeStatus.IN_DOUBT)
WRITING = [{"method": "POST", "path": "Multiple"}, {"method": "POST", "path": "$batch"}]


def row_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def tokens(dataverse: LocalDataverse) -> ClientSecretTokens:
    return ClientSecretTokens(
        dataverse.tenant_id,
        dataverse.client_id,
        dataverse.client_secret,
        dataverse.url,
        dataverse.authority,
        clock=lambda: datetime.now(UTC),
        allowed_authorities=[dataverse.authority],
        sleep=lambda _: None,
    )


class Quick:
    """A clock that also moves when somebody sleeps, so that no pause takes time."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.ahead, UTC)

    def sleep(self, seconds: float) -> None:
        self.ahead += seconds


@pytest.fixture(scope="module")
def dataverse() -> Iterator[LocalDataverse]:
    with LocalDataverse() as running:
        yield running


def emptied(dataverse: LocalDataverse) -> None:
    with dataverse.application.lock:
        for table in ("new_city", "new_nobulk"):
            dataverse.application.service.world.store.run(f'DELETE FROM "{table}"')
        dataverse.application.faults.clear()


def settled(client: DataverseClient, writer: Writer, writes: list[Write]) -> list[Outcome]:
    """The outcomes of creates; what was not settled is looked up and sent again, as a job does that goes on."""
    outcomes: dict[int, Outcome] = {}
    for _ in range(12):
        doubtful = [write.row_id for write in writes if status(outcomes, write) is OutcomeStatus.IN_DOUBT]
        there = client.rows_by_id(client.table("new_city"), doubtful, ["new_citycode"])
        outcomes |= {w.change: Outcome(w.change, OutcomeStatus.DONE) for w in writes if w.row_id in there}
        again = [write for write in writes if status(outcomes, write) in OPEN]
        if not again:
            break
        with contextlib.suppress(RetryError):
            outcomes |= {outcome.change: outcome for outcome in writer.write(WriteKind.CREATE, again)}
    return [outcomes[write.change] for write in writes]


def status(outcomes: dict[int, Outcome], write: Write) -> OutcomeStatus:
    """What is known of a write."""
    found = outcomes.get(write.change)
    return found.status if found else OutcomeStatus.NOT_ATTEMPTED


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    kinds=st.lists(st.sampled_from([*[GOOD] * 6, TOO_LONG, NO_OPTION, NO_PARENT]), min_size=ROWS, max_size=ROWS),
    faults=st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from(WRITING), st.integers(1, 2)), max_size=3),
    batch_size=st.sampled_from([7, 20, 1000]),
    expiring=st.booleans(),
)
def test_good_rows_land_once_and_bad_ones_have_their_reason(dataverse, kinds, faults, batch_size, expiring):
    """Whatever is bad and whatever breaks on the way; a row whose fate nobody could tell is told so, never wrongly."""
    emptied(dataverse)
    quick = Quick()
    writes = [
        Write(n, row_id(n), json.dumps({"new_citycode": f"C{n}", "new_name": "x"} | BODIES[kind]))
        for n, kind in enumerate(kinds)
    ]
    with Transport(dataverse.url, tokens(dataverse), timeout_s=20, clock=quick, sleep=quick.sleep) as transport:
        client = DataverseClient(transport)
        writer = Writer(transport, client.table("new_city"), batch_size=batch_size)
        for fault, where, count in faults:
            dataverse.inject({**fault, **where, "count": count})
        if expiring:
            dataverse.inject({"kind": "expire_tokens", "method": "POST", "path": "Multiple", "count": 1})
        outcomes = settled(client, writer, writes)
    landed = [row["new_citycode"] for row in dataverse.rows("new_city")]
    assert len(landed) == len(set(landed))
    for kind, outcome in zip(kinds, outcomes, strict=True):
        if kind == GOOD:
            assert outcome.status is OutcomeStatus.DONE, outcome
            assert f"C{outcome.change}" in landed
        else:
            assert outcome.status is OutcomeStatus.REJECTED, outcome
            assert outcome.code == CODES[kind]
            assert outcome.request_id
            assert f"C{outcome.change}" not in landed


def test_removals_side_by_side_by_id_only(dataverse):
    """Deletes go as batches of their ids; those already gone count as done; a lost answer harms nothing."""
    emptied(dataverse)
    dataverse.insert("new_city", [{"new_cityid": row_id(n), "new_citycode": f"C{n}"} for n in range(90)])
    dataverse.clear_requests()
    quick = Quick()
    with Transport(dataverse.url, tokens(dataverse), clock=quick, sleep=quick.sleep) as transport:
        writer = Writer(transport, DataverseClient(transport).table("new_city"))
        dataverse.inject({"kind": "drop_after", "path": "$batch", "count": 1})
        with ThreadPoolExecutor(4) as pool:
            parts = [[Write(n, row_id(n)) for n in range(at, at + 25)] for at in range(0, 100, 25)]
            found = pool.map(lambda part: writer.write(WriteKind.DELETE, part), parts)
    assert {outcome.status for part in found for outcome in part} == {OutcomeStatus.DONE}
    assert dataverse.rows("new_city") == []
    assert all("filter" not in request.path for request in dataverse.requests if request.method == "POST")


def test_within_the_services_limits():
    """Two requests at a time are allowed where eight are tried: every row lands, and the client learns to ask less."""
    limits = Limits(concurrent=2, servers=1, call_ms=5, dop_hint=8)
    quick = Quick()
    with (
        LocalDataverse(limits=limits) as dataverse,
        Transport(dataverse.url, tokens(dataverse), clock=quick, sleep=quick.sleep) as transport,
    ):
        writer = Writer(transport, DataverseClient(transport).table("new_city"))
        parts = [
            [Write(n, row_id(n), json.dumps({"new_citycode": f"C{n}"})) for n in range(at, at + 10)]
            for at in range(0, 300, 10)
        ]
        with ThreadPoolExecutor(8) as pool:
            found = [
                outcome for part in pool.map(lambda p: writer.write(WriteKind.CREATE, p), parts) for outcome in part
            ]
        assert {outcome.status for outcome in found} == {OutcomeStatus.DONE}
        assert len(dataverse.rows("new_city")) == 300
        assert transport.useful < 8
