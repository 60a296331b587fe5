"""What does not wait for each other is asked side by side, once; what is told, and of which fault, stays the same."""

from __future__ import annotations

import threading
from urllib.parse import unquote

import pytest

from shared.dataverse.asking import THREADS, Asking
from shared.dataverse.client import DataverseClient
from shared.errors import DestinationError
from tests.unit.dataverse.service import Say, refusal, transport_to
from tests.unit.dataverse.test_metadata import script as of_metadata

BOTH = [1, 4]


def answered(seen):
    """The table's metadata, and what holds for the environment."""
    if "WhoAmI" in seen.path:
        return Say(200, {"UserId": "u", "BusinessUnitId": "b", "OrganizationId": "o"})
    if "organizations?" in seen.path:
        return Say(200, {"value": [{"languagecode": 1033}]})
    return Say(200, {"value": []}) if "transactioncurrencies?" in seen.path else of_metadata(seen)


def parts(service):
    """What was asked, in short."""
    paths = [unquote(seen.path).removeprefix("/api/data/v9.2/").split("?")[0] for seen in service.seen]
    return [path.replace("EntityDefinitions(LogicalName='new_bankaccount')", "table") for path in paths]


def threads() -> int:
    return sum(thread.name.startswith("dynsync-asking") for thread in threading.enumerate())


@pytest.mark.parametrize(
    "pair", [("/Keys?", "/ManyToOneRelationships?"), ("StringAttr", "LookupAttr"), ("organizations?", "/Keys?")]
)
def test_they_are_under_way_together(serve, time, pair):
    """The service answers only when both have come: parts of a table, its casts, the table and the environment."""
    met = threading.Barrier(2, timeout=20)

    def script(seen):
        if any(part in seen.path for part in pair):
            met.wait()
        return answered(seen)

    with transport_to(serve(script).url, time) as transport, DataverseClient(transport).side_by_side() as asked:
        table, environment = asked.table("new_bankaccount"), asked.environment()
        assert (table().name, environment().user_id) == ("new_bankaccount", "u")
    assert not met.broken
    assert threads() == 0


@pytest.mark.parametrize("parallel", BOTH)
def test_nothing_is_asked_twice(serve, time, parallel):
    """Table, environment and who we are: not by one session, not by the next, not under another name."""
    service = serve(answered)
    with transport_to(service.url, time, parallel=parallel) as transport:
        client = DataverseClient(transport)
        with client.side_by_side() as asked:
            table, again, environment = asked.table("new_bankaccount"), asked.table("Bank account"), asked.environment()
            assert table() is again()
            environment()
        assert client.table("new_bankaccounts") is table()
        assert client.environment() is environment()
        assert client.organization_id == "o"
    asked_for = [seen.path for seen in service.seen]
    assert len(asked_for) == len(set(asked_for)) == 20


def test_one_request_at_a_time_is_the_old_order(serve, time):
    """With `parallel: 1` each is asked when it is needed, by nobody but the caller."""
    service = serve(answered)
    with transport_to(service.url, time, parallel=1) as transport:
        DataverseClient(transport).table("new_bankaccount")
    asked = parts(service)
    assert asked[:3] == ["EntityDefinitions", "table", "table/Attributes"]
    assert all("AttributeMetadata" in part for part in asked[3:13])
    assert asked[13:] == ["table/ManyToOneRelationships", "table/Keys", "sdkmessagefilters", "sdkmessagefilters"]


@pytest.mark.parametrize("parallel", BOTH)
@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (["/Keys?", "/Attributes?", "sdkmessage"], "no /Attributes"),
        (["sdkmessage", "/Keys?", "LookupAttr", "StringAttr"], "no LookupAttr"),
        (["WhoAmI", "/Keys?"], "no /Keys"),
        (["transactioncurrencies?", "organizations?"], "no organizations"),
    ],
)
def test_of_several_faults_the_same_is_told(serve, time, parallel, faults, told):
    """The first of the old order, however many at a time; and no thread is left."""

    def script(seen):
        fault = next((fault for fault in faults if fault in seen.path), None)
        return refusal(403, "0x80040220", f"no {fault}") if fault else answered(seen)

    with transport_to(serve(script).url, time, parallel=parallel) as transport:
        client = DataverseClient(transport)
        with pytest.raises(DestinationError, match=told), client.side_by_side() as asked:
            table, environment = asked.table("new_bankaccount"), asked.environment()
            table()
            environment()
    assert threads() == 0


def test_the_first_request_of_all_goes_alone(serve, time):
    """Whether we are let in is asked once."""
    service = serve(lambda seen: refusal(403, "0x80040220", "not you"))
    with transport_to(service.url, time) as transport, pytest.raises(DestinationError, match="not you"):
        DataverseClient(transport).environment()
    assert parts(service) == ["WhoAmI"]


def test_what_is_not_begun_is_not_asked_after_an_interruption():
    """Ctrl-C: what is under way is waited for, the rest is never asked, and no thread is left."""
    begun, go_on = threading.Semaphore(0), threading.Event()
    asked, ended = [], []

    def under_way() -> None:
        begun.release()
        go_on.wait(20)
        ended.append(1)

    with pytest.raises(KeyboardInterrupt), Asking(side_by_side=True) as asking:
        for _ in range(THREADS):
            asking.later(under_way)
        asking.later(lambda: asked.append(1))
        for _ in range(THREADS):
            begun.acquire()
        after = threading.Thread(target=_when_left, args=(asking, go_on))
        after.start()
        raise KeyboardInterrupt
    after.join()
    assert (len(ended), asked, threads()) == (THREADS, [], 0)


def _when_left(asking: Asking, go_on: threading.Event) -> None:
    """Let what is under way end, once nothing more may be asked."""
    while True:
        try:
            asking.later(lambda: None)
        except RuntimeError:
            break
    go_on.set()
