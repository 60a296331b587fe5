"""Which requests a fault comes to, and how often."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.dataverse.documents import DocumentError
from local.dataverse.faults import ROUGH, Asked, Fault, FaultKind, Faults
from local.dataverse.faults.refused import refusal

TARGETS = json.dumps({"Targets": [{"name": "A", "new_tier": 1}, {"parentaccountid@odata.bind": "accounts(1)"}]})


def asked(**changed: Any) -> Asked:
    given = {"method": "POST", "path": "/api/data/v9.2/accounts", "message": "Create", "table": "account", "user": "u"}
    return Asked(**(given | changed))


def hits(fault: Fault, *requests: Asked) -> list[bool]:
    faults = Faults()
    faults.add(fault)
    return [faults.take(request) is not None for request in requests]


@pytest.mark.parametrize(
    ("fault", "other"),
    [
        (Fault(method="post"), asked(method="GET")),
        (Fault(table="account"), asked(table="contact")),
        (Fault(message="Create"), asked(message="Update")),
        (Fault(user="U"), asked(user="v")),
        (Fault(path="v9.2/acc"), asked(path="/api/data/v9.2/contacts")),
        (Fault(path="name eq 'a'", method="GET"), asked(method="GET")),
    ],
)
def test_all_that_is_given_must_fit(fault: Fault, other: Asked) -> None:
    """A request that differs in one thing is left alone; a path also fits when it is sent encoded."""
    fitting = asked(method=fault.method.upper() or "POST")
    if "eq" in fault.path:
        fitting = asked(method="GET", path="/x?$filter=name%20eq%20%27a%27")
    assert hits(fault, other, fitting) == [False, True]


def test_it_comes_from_the_nth_match_on_and_so_often() -> None:
    """The third and the fourth match, then never again."""
    assert hits(Fault(nth=3, count=2), *[asked()] * 6) == [False, False, True, True, False, False]
    assert all(hits(Fault(count=None), *[asked()] * 50))


def test_chance_is_the_same_each_time() -> None:
    """A tenth of a thousand, the same ones for the same seed, others for another."""
    first, again, other = (hits(Fault(count=None, probability=0.1, seed=s), *[asked()] * 1000) for s in (1, 1, 2))
    assert first == again != other
    assert 70 <= sum(first) <= 130


def test_size_is_counted_in_targets_and_operations() -> None:
    """More than N targets, more than N operations of a batch."""
    fault = Fault(FaultKind.SQL_TIMEOUT, larger_than=1, count=None)
    one = json.dumps({"Targets": [{}]}).encode()
    part = b"--b\r\nContent-Type: application/http\r\n\r\nGET /x HTTP/1.1\r\n"
    requests = [
        asked(message="CreateMultiple", body=one),
        asked(message="CreateMultiple", body=TARGETS.encode()),
        asked(message="Batch", body=part),
        asked(message="Batch", body=part * 2),
        asked(message="CreateMultiple", body=b"no JSON"),
        asked(message="CreateMultiple", body=b"[]"),
    ]
    assert hits(fault, *requests) == [False, True, False, True, False, False]


def test_privileges_follow_the_message() -> None:
    """Without one privilege, an upsert and a create are refused, an update is not; a list of all names any."""
    create = Fault(FaultKind.PRIVILEGE, privilege="Create", count=None)
    names = ("Create", "CreateMultiple", "Upsert", "UpdateMultiple", "Delete", "WhoAmI")
    assert hits(create, *[asked(message=name) for name in names]) == [True, True, True, False, False, False]
    assert hits(create, asked(message="Upsert", headers={"if-match": "*"})) == [False]
    assert hits(Fault(FaultKind.PRIVILEGE), asked(message="WhoAmI"), asked(message="Retrieve")) == [False, True]


def test_a_secured_column_concerns_those_who_write_or_read_it() -> None:
    """In one of the targets, as a lookup, or in a read; not a write of other columns."""
    body = TARGETS.encode()
    for column, hit in (("new_tier", True), ("parentaccountid", True), ("telephone1", False)):
        fault = Fault(FaultKind.COLUMN_SECURITY, column=column)
        assert hits(fault, asked(message="CreateMultiple", body=body)) == [hit]
    reads = Fault(FaultKind.COLUMN_SECURITY, column="name", count=None)
    assert hits(reads, asked(method="GET", message="RetrieveMultiple"), asked(method="DELETE")) == [True, False]


def test_inside_a_batch_only_refusals_come() -> None:
    """An operation can be refused, not cut or answered by a gateway."""
    inner = asked(inner=True)
    assert hits(Fault(FaultKind.DEADLOCK), inner) == [True]
    assert hits(Fault(status=403), inner) == [True]
    assert hits(Fault(status=503), inner) == [False]
    assert hits(Fault(FaultKind.DROP_BEFORE), inner) == [False]


@pytest.mark.parametrize(
    ("fault", "code", "says", "headers"),
    [
        (Fault(status=429), "0x80072322", "Number of requests exceeded the limit of 6000", {"Retry-After": "1"}),
        (Fault(status=429, headers={"retry-after": "7"}), "0x80072322", "over time window", {"retry-after": "7"}),
        (Fault(status=429, code="0x80072326", text="Too many."), "0x80072326", "Too many.", {"Retry-After": "1"}),
        (Fault(status=502), "", "got an invalid answer", {}),
        (Fault(status=504), "", "did not answer in time", {}),
        (Fault(status=418), "", "refused this request", {}),
    ],
)
def test_a_status_alone_has_what_goes_with_it(fault: Fault, code: str, says: str, headers: dict[str, str]) -> None:
    """429 has the text of the limit and says when to come again; what is given counts over it."""
    found = refusal(fault, asked(), "me")
    assert found is not None
    assert (found.status, found.code, dict(found.headers)) == (fault.status, code, headers)
    assert says in found.message


def test_faults_can_be_switched_off_one_by_one() -> None:
    """By number; the others stay."""
    faults = Faults()
    first, second = faults.add(Fault()), faults.add(Fault(status=502))
    assert (faults.remove(first), faults.remove(first)) == (True, False)
    assert [waiting.number for waiting in faults.waiting] == [second]
    faults.clear()
    assert faults.take(asked()) is None


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"kind": "none"}, "kind"),
        ({"stat": 1}, "stat"),
        ({"count": 0}, "count"),
        ({"probability": 2}, "probability"),
        ({"delay_s": float("nan")}, "delay_s"),
        ([], "fault"),
        ({"headers": {"Retry After": "1"}}, "headers"),
    ],
)
def test_a_wrong_fault_is_named(document: object, said: str) -> None:
    """The member that is wrong stands in the message."""
    with pytest.raises(DocumentError, match=said):
        Fault.of(document)


def test_rough_weather_is_a_little_of_everything() -> None:
    """Of ten thousand requests a few in a hundred meet a fault, of many kinds."""
    faults = Faults()
    for fault in ROUGH:
        faults.add(fault)
    met = [fault for _ in range(10_000) if (fault := faults.take(asked()))]
    assert 200 < len(met) < 800
    assert {fault.kind for fault in met} >= {FaultKind.STATUS, FaultKind.DROP_AFTER, FaultKind.DEADLOCK}
