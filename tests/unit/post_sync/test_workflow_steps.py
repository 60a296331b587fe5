"""A workflow after a job: started for each row, within its time, and never twice for one."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest

from shared.definitions.post_sync import Workflow
from shared.errors import DynsyncError, FailError, RejectError, UnavailableError
from shared.post_sync.dataverse import start_workflow

FLOW = Workflow(id="0d000000-0000-4000-8000-00000000f10a")


class Service:
    """Starts workflows; for the rows in `answers` it says no."""

    def __init__(self, **answers: DynsyncError) -> None:
        self.answers, self.started = answers, list[str]()
        self.transport = self

    def send(self, _method: str, _path: str, *, body: bytes, repeatable: bool) -> object:
        assert not repeatable
        row = str(json.loads(body)["EntityId"])
        if row in self.answers:
            raise self.answers[row]
        self.started.append(row)
        return SimpleNamespace(status=200)


def start(service: Service, rows: int, *, seconds_each: float = 0.0) -> str:
    clock = itertools.count(0.0, seconds_each)
    ids = (f"r{number}" for number in range(rows))
    return start_workflow(service, FLOW, ids, within_s=60, clock=lambda: next(clock)).words  # type: ignore[arg-type]


def test_each_row_gets_its_workflow() -> None:
    """Once, in any number."""
    service = Service()
    assert start(service, 20) == "started for 20 rows"
    assert sorted(service.started) == sorted({f"r{number}" for number in range(20)})


def test_when_time_is_up_no_more_are_started() -> None:
    """And it is said for how many it was."""
    service = Service()
    with pytest.raises(FailError, match=r"took longer than 60 s: the workflow was started for 16 rows"):
        start(service, 100, seconds_each=25)
    assert len(service.started) == 16


def test_a_service_that_goes_away_is_asked_again_only_where_nothing_was_started() -> None:
    """A try anew would start the workflow twice for the rows that it was started for."""
    with pytest.raises(UnavailableError):
        start(Service(**{f"r{number}": UnavailableError("away") for number in range(8)}), 20)
    service = Service(r9=UnavailableError("away"))
    with pytest.raises(FailError, match=r"started for 15 rows and refused for 1: away"):
        start(service, 40)
    assert len(service.started) == 15


def test_one_row_that_is_refused_stops_no_other() -> None:
    """The reason is told, and for how many it was started."""
    with pytest.raises(FailError, match=r"started for 19 rows and refused for 1: no"):
        start(Service(r3=RejectError("no")), 20)
