from __future__ import annotations

from shared.values.changes import Action
from shared.values.jobs import JobState
from tests.e2e.conftest import World, closes
from tests.e2e.stories import Sync, column

ROWS = 6_200
"""More than one page of the destination and several chunks of every action."""
SYNC = Sync(
    columns={"no": "text", "name": "text", "parent": "text"},
    maps={
        "no": "accountnumber",
        "name": "name",
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "accountnumber"}},
    },
    key=["accountnumber"],
    behaviour={"dropped": "delete"},
    destination={"filter": "accountnumber ne 'A0'"},
)


def test_thousands_of_rows_of_every_action(world: World) -> None:
    """Pages, chunks and threads lose and double nothing, in a plain run and in an approved one."""
    world.dataverse.insert("account", [{"accountnumber": "A0", "name": "outside"}])
    first = [[f"A{n}", f"Name {n}", ""] for n in range(1, ROWS)]

    job = SYNC.run(world, *first)

    assert (job.state, job.source.created) == (JobState.SUCCEEDED, ROWS - 1)
    assert len(world.dataverse.rows("account")) == ROWS
    second = [[f"a{n} ", f"Name {n % 3}", f"A{n // 2}"] for n in range(3_000)]
    second += [[f"B{n}", "New", "A0"] for n in range(1_100)]
    plan = SYNC.plan(world, *second)
    assert plan.planned == {Action.CREATE: 1_100, Action.UPDATE: 2_999, Action.DELETE: ROWS - 3_000}
    assert plan.source.outside == 1
    done = closes(world.apply(plan))
    assert (done.state, done.source.conflict, done.destination.deleted) == (JobState.SUCCEEDED, 0, ROWS - 3_000)
    names = column(world, "name")
    assert len(names) == 4_100
    assert names["A0"] == "outside"
    assert names["a2999 "] == "Name 2"
    SYNC.settled(world)


def test_columns_may_be_named_as_the_engine_names_its_own(world: World) -> None:
    """Source columns called id, key, ok, w, source.name or select are columns like any other."""
    sync = Sync(
        columns={
            "id": "text", "ok": "text", "select": "number", "kh": "text", "!id": "text", 'a"b': "text", "w": "text",
            "made": {"type": "text", "formula": "concat(id, '-', kh)"},
        },
        maps={
            "id": "accountnumber", "ok": "name", "select": "numberofemployees", "kh": "telephone1", "!id": "fax",
            'a"b': "websiteurl", "w": "address1_city", "made": "description",
        },
        key=["accountnumber"],
        behaviour={"changed": {"when": "source.ok <> target.name OR source.kh IS NOT NULL"}},
        source={"filter": "ok IS NOT NULL AND id <> 'x'"},
    )  # fmt: skip

    sync.runs_clean(world, ["1", "a", 1, "k", "f", "u", "c"], ["x", "a", 1, "", "", "", ""])
    job = sync.runs_clean(world, ["1", "b", 2, "l", "g", "v", "d"])

    assert job.source.updated == 1
    assert column(world, "description") == {"1": "1-l"}
