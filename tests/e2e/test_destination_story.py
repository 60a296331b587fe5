"""What a destination may want of its writes, and what some tables will not have."""

from __future__ import annotations

import pytest

from local.dataverse.logic import Event, Stage
from shared.values.jobs import JobState
from tests.e2e.conftest import World
from tests.e2e.stories import Sync, column

ACCOUNT = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "accountnumber", "name": "name"},
    key=["accountnumber"],
    behaviour={"dropped": "delete"},
)
ANN = "0d000000-0000-4000-8000-0000000000aa"


def wanting(**destination: object) -> Sync:
    return ACCOUNT.but(destination=destination)


def live(world: World, sync: Sync) -> None:
    """Creates, updates in bulk, then an approved update, create and delete in batches."""
    sync.runs_clean(world, ["A1", "a"], ["A2", "b"])
    sync.runs_clean(world, ["A1", "a2"], ["A2", "b"])
    plan = sync.plan(world, ["A1", "a3"], ["A3", "c"])
    assert world.apply(plan).state is JobState.SUCCEEDED
    assert column(world, "name") == {"A1": "a3", "A3": "c"}


def test_custom_logic_sees_the_tag_and_the_caller(world: World) -> None:
    """Every create, update and delete carries the tag and the user in whose name it is done; reading does not."""
    (ann,) = world.dataverse.insert("systemuser", [{"fullname": "Ann", "azureactivedirectoryobjectid": ANN}])
    events: list[Event] = []
    world.dataverse.on(events.append, "account")

    live(world, wanting(tag="erp", caller=ANN))

    assert {event.message for event in events} >= {"Create", "Update", "Delete"}
    assert {event.origin.tag for event in events} == {"erp"}
    assert set(column(world, "_createdby_value").values()) == {ann}
    assert not any("tag=" in request.path for request in world.dataverse.requests if request.method == "GET")


@pytest.mark.parametrize(
    ("bypass", "runs"),
    [
        (None, {"sync", "async"}),
        ({"logic": ["sync"]}, {"async"}),
        ({"logic": ["async"]}, {"sync"}),
        ({"logic": ["sync", "async"]}, set()),
        ({"plugins": True}, {"async"}),
        ({"flows": True}, {"sync", "async"}),
    ],
)
def test_custom_logic_is_skipped_as_asked(world: World, bypass: object, runs: set[str]) -> None:
    """In bulk and in batches: synchronous logic, asynchronous logic, both or none."""
    ran: set[str] = set()
    world.dataverse.on(lambda _: ran.add("sync"), "account", stage=Stage.BEFORE)
    world.dataverse.on(lambda _: ran.add("async"), "account", stage=Stage.LATER)

    live(world, wanting(bypass=bypass) if bypass else ACCOUNT)

    assert ran == runs


def test_an_unknown_caller_ends_the_job(world: World) -> None:
    """A user that cannot be acted for concerns every row: the job fails with Dataverse's word, nothing is written."""
    job = wanting(caller=ANN).run(world, ["A1", "a"])

    assert (job.state, world.dataverse.rows("account")) == (JobState.FAILED, [])
    assert "0x8004a110" in str(job.error)


@pytest.mark.parametrize("reason", ["Canceled", "Lost", 4])
def test_rows_that_are_closed_by_an_action_are_not_deactivated(world: World, reason: object) -> None:
    """`check` names the action that closes an opportunity, and the job does not begin."""
    sync = Sync(
        entity="opportunity",
        columns={"name": "text"},
        maps={"name": "name"},
        key=["name"],
        behaviour={"dropped": {"deactivate": reason}},
    )
    sync.read(world, ["O"])

    problems = {problem.path: str(problem) for problem in world.app.check(sync.name)}

    assert "WinOpportunity or LoseOpportunity" in problems["behaviour.dropped"]
    assert world.run(sync.name).state is JobState.FAILED


def test_a_mapped_state_of_such_a_table_is_warned_of(world: World) -> None:
    """Open states may be mapped; that closed ones need the action is said at `check`, as a warning."""
    sync = Sync(
        entity="opportunity",
        columns={"name": "text", "status": "text"},
        maps={"name": "name", "status": "statuscode"},
        key=["name"],
    )
    sync.read(world, ["O", "On Hold"])

    warnings = [problem for problem in world.app.check(sync.name) if problem.path == "mappings.1.target"]

    assert [problem.severity.value for problem in warnings] == ["warning"]
    sync.runs_clean(world, ["O", "On Hold"])
