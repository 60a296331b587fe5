"""What a destination wants to travel with its writes does, with every one of them, and with no read."""

from __future__ import annotations

import json

import pytest

from shared.dataverse.writing import Writer, write_options
from shared.values.changes import OutcomeStatus, Write, WriteKind
from tests.unit.dataverse.service import Say, account_table, row_id, transport_to
from tests.unit.dataverse.small_table import SmallTable

CALLER = "0d000000-0000-4000-8000-00000000c1d2"
STEP = "0d000000-0000-4000-8000-0000000057e9"
ALL = write_options(
    logic=["sync", "async"], flows=True, duplicate_detection=True, caller=CALLER, tag="dynamics-sync:erp"
)
SPELLED = {
    "MSCRM.BypassBusinessLogicExecution": "CustomSync,CustomAsync",
    "MSCRM.SuppressCallbackRegistrationExpanderJob": "true",
    "MSCRM.SuppressDuplicateDetection": "false",
    "CallerObjectId": CALLER,
}


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ({}, {}),
        ({"logic": ["async"]}, {"MSCRM.BypassBusinessLogicExecution": "CustomAsync"}),
        ({"plugins": True}, {"MSCRM.BypassCustomPluginExecution": "true"}),
        ({"steps": [STEP, CALLER]}, {"MSCRM.BypassBusinessLogicExecutionStepIds": f"{STEP},{CALLER}"}),
    ],
)
def test_options_are_spelled_as_the_service_wants_them(given, headers) -> None:
    """Each option is its own header; what is not wanted sends nothing."""
    assert write_options(**given).headers == headers
    assert write_options(**given).tagged("accounts") == "accounts"


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "batch"])
def test_every_write_carries_the_options_and_no_read_does(serve, time, bulk) -> None:
    """Creates, updates and deletes, in bulk and one by one in a batch; a look-up after a lost answer carries none."""
    seen = []
    small = SmallTable()
    lost = [Say(cut=True)]

    def script(request):
        seen.append(request)
        say = small(request)
        return lost.pop() if lost and request.method == "POST" else say

    table = account_table(bulk_create=bulk, bulk_update=bulk)
    with transport_to(serve(script).url, time) as transport:
        writer = Writer(transport, table, options=ALL)
        writes = [Write(n, row_id(n), json.dumps({"name": "x"})) for n in range(3)]
        outcomes = [one for kind in WriteKind for one in writer.write(kind, writes)]

    assert {one.status for one in outcomes} == {OutcomeStatus.DONE}
    assert small.lookups == 1
    for request in seen:
        headers = {name.lower(): value for name, value in request.headers.items()}
        wanted = {name: headers.get(name.lower()) for name in SPELLED}
        assert wanted == (dict.fromkeys(SPELLED) if request.method == "GET" else SPELLED)
        if request.path.endswith("$batch"):
            assert [request.body.decode().count(f"\r\n{n}: {v}\r\n") for n, v in SPELLED.items()] == [3] * len(SPELLED)
            assert request.body.decode().count("?tag=dynamics-sync:erp HTTP/1.1") == 3
        else:
            assert request.path.endswith("?tag=dynamics-sync:erp") is (request.method == "POST")
