from __future__ import annotations

from hypothesis import given, settings

from shared.values.changes import Action
from shared.values.jobs import JobState
from tests.e2e.conftest import BOUNDED, World, closes
from tests.e2e.test_column_laws import DESTINATION, RECORDS, REST, SOURCE, cities, text_of
from tests.examples import examples
from tests.faults.dying import apply_and_die

__all__ = ["cities"]

Records = list[tuple[dict[str, str], set[str]]]
DELETING = REST.replace("strategy: full", "strategy: full\n  dropped: delete").replace(
    "{ rejects: null }", "{ rejects: null, updates: null, removals: null, at_least: 1000000 }"
)


@settings(BOUNDED, max_examples=examples(3))
@given(first=RECORDS, second=RECORDS)
def test_every_kind_of_column_is_recognised_after_a_kill(cities: World, first: Records, second: Records) -> None:
    """Killed between answer and note, every kind of value is recognised as written; nothing counts as moved."""
    cities.clear("new_city")
    cities.define("cities", source=SOURCE.format(zone="Europe/Amsterdam"), destination=DESTINATION, rest=DELETING)
    cities.write("cities.csv", text_of(first))
    assert cities.run("cities").state is JobState.SUCCEEDED
    cities.write("cities.csv", text_of(second))
    plan = cities.plan("cities")
    planned = dict(plan.planned)

    for _ in range(4 if planned else 0):
        if cities.app.job(plan.id).state is not JobState.SUCCEEDED:
            apply_and_die(cities, plan, "record", before=True)
    job = closes(cities.app.job(plan.id))
    if job.state is not JobState.SUCCEEDED:
        job = closes(cities.apply(plan))

    assert (job.state, job.source.conflict, job.destination.refused) == (JobState.SUCCEEDED, 0, 0)
    assert job.source.created == planned.get(Action.CREATE, 0)
    assert job.source.updated == planned.get(Action.UPDATE, 0)
    assert job.destination.deleted == planned.get(Action.DELETE, 0)
    cities.dataverse.clear_requests()
    assert closes(cities.run("cities")).source.unchanged == len(second)
    assert cities.writes() == []
