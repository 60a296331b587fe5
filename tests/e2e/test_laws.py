from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.values.jobs import Job, JobState
from tests.e2e.conftest import BOUNDED, World
from tests.e2e.naive import Record, Row, Rules, fold, sync
from tests.examples import examples

KEYS = ["A", "a", "à", "B", "b ", "ß", "SS", "C", "D", "E", "F"]
RECORD = st.builds(
    Record,
    key=st.sampled_from([*KEYS, *KEYS, ""]),
    name=st.sampled_from(["", "One", "two", "O'Brien"]),
    employees=st.sampled_from(["", "1", "2", "3", "x"]),
    tier=st.sampled_from(["", "", "Gold", "SILVER", "Tin"]),
    country=st.sampled_from(["", "", "", "XX"]),
    action=st.sampled_from(["insert", "UPDATE", "Update", "DELETE", "upsert"]),
    absent=st.frozensets(st.sampled_from(["name", "employees", "tier", "country"]), max_size=2),
)
ROW = st.builds(
    Row,
    key=st.sampled_from([*KEYS, None]),
    name=st.sampled_from([None, "One", "two"]),
    employees=st.sampled_from([None, 1, 2, 3]),
    tier=st.sampled_from([None, 100000000, 100000001]),
    mine=st.sampled_from([True, True, True, False]),
    expired=st.booleans(),
    inactive=st.booleans(),
    touched=st.sampled_from([False, False, False, True]),
)
RULES = st.builds(
    Rules,
    unique=st.booleans(),
    filtered=st.booleans(),
    delta=st.booleans(),
    duplicates=st.sampled_from(["reject", "first", "last"]),
    new=st.sampled_from(["insert", "insert", "ignore"]),
    changed=st.sampled_from(["update", "update", "ignore", "when"]),
    dropped=st.sampled_from(["ignore", "delete", "deactivate", "expire"]),
    returned=st.sampled_from(["revive", "revive", "ignore"]),
    deletes=st.sampled_from(["follow", "ignore", "as dropped"]),
    actions=st.booleans(),
    keep_null=st.booleans(),
)
DROPPED = {
    "ignore": "ignore",
    "delete": "delete",
    "deactivate": "{ deactivate: Inactive }",
    "expire": "{ expire: new_expiredon }",
}
CHANGED = {"when": '{ when: "source.employees > target.numberofemployees" }'}
SOURCE = """
  type: {type}
  path: laws.{type}
  filter: "country IS NULL OR country <> 'XX'"
  schema:
    - { name: key, type: text }
    - { name: name, type: text }
    - { name: employees, type: number, validate: true }
    - { name: tier, type: text }
    - { name: country, type: text }
    - { name: action, type: text }
    - { name: mine, type: text, formula: "'mine'" }
"""
BEHAVIOUR = """
mappings:
  - {{ source: key, target: {key} }}
  - {{ source: name, target: name }}
  - {{ source: employees, target: numberofemployees }}
  - {{ source: tier, target: new_tier }}
  - {{ source: mine, target: fax }}
behaviour:
  strategy: {strategy}
  key: [{key}]
  duplicates: {duplicates}
  new: {new}
  changed: {changed}
  dropped: {dropped}
  returned: {returned}
  deletes: {deletes}
  action_column: {action}
  brakes: {{ removals: null, creates: null, updates: null, rejects: null, at_least: 1000000 }}
"""
LONG_AGO, SOON = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)


class Clock:
    """The stand-in's clock, set by hand."""

    def __init__(self) -> None:
        self.now = LONG_AGO

    def __call__(self) -> datetime:
        return self.now


CLOCK = Clock()


@pytest.fixture(scope="module")
def laws() -> Iterator[World]:
    """One world for all examples; each begins with an empty table."""
    with tempfile.TemporaryDirectory() as folder, LocalDataverse(clock=CLOCK) as dataverse:
        world = World(dataverse, Path(folder), {})
        (world.folder / "syncs").mkdir()
        (world.folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        yield world


def key_column(rules: Rules) -> str:
    return "accountnumber" if rules.unique else "new_externalkey"


def behaviour(rules: Rules) -> str:
    """These rules as the end of a definition."""
    return BEHAVIOUR.format(
        key=key_column(rules),
        strategy="delta" if rules.delta else "full",
        duplicates=rules.duplicates,
        new=rules.new,
        changed=CHANGED.get(rules.changed, rules.changed),
        dropped=DROPPED[rules.dropped],
        returned=rules.returned,
        deletes=rules.deletes,
        action="action" if rules.actions else "null",
    )


def begin(world: World, rows: list[Row], rules: Rules, type_: str) -> None:
    world.clear("account")
    for touched in (False, True):
        CLOCK.now = SOON if touched else LONG_AGO
        some = [inserted(row, rules) for row in rows if row.touched is touched]
        if some:
            world.dataverse.insert("account", some)
    CLOCK.now = LONG_AGO
    filter_ = "  filter: \"fax eq 'mine'\"\n" if rules.filtered else ""
    on_null = f"  on_null: {'keep' if rules.keep_null else 'clear'}\n"
    destination = "  entity: account\n  id_column: accountid\n" + filter_ + on_null
    world.define("laws", source=SOURCE.replace("{type}", type_), destination=destination, rest=behaviour(rules))


def inserted(row: Row, rules: Rules) -> dict[str, object]:
    values = {
        key_column(rules): row.key,
        "name": row.name,
        "numberofemployees": row.employees,
        "new_tier": row.tier,
        "fax": "mine" if row.mine else "other",
        "new_expiredon": "2019-01-01T00:00:00Z" if row.expired else None,
    }
    return values | ({"statecode": 1, "statuscode": 2} if row.inactive else {})


def line(record: Record) -> str:
    """A line of a delimited file; there every record has every cell."""
    cells = [record.key, record.name, record.employees, record.tier, record.country, record.action]
    return ",".join([*cells, "more"] if record.wide else cells) + "\n"


def written(world: World, records: list[Record], type_: str) -> list[Record]:
    """Write the source; gives the records as that kind of file can hold them."""
    if type_ == "json":
        kept = [replace(record, wide=False) for record in records]
        world.write("laws.json", json.dumps([{n: v for n, v in members(r).items() if n not in r.absent} for r in kept]))
        return kept
    full = [replace(record, absent=frozenset()) for record in records]
    world.write("laws.delimited", "key,name,employees,tier,country,action\n" + "".join(map(line, full)))
    return full


def members(record: Record) -> dict[str, object]:
    names = ("key", "name", "employees", "tier", "country", "action")
    return {name: getattr(record, name) or None for name in names}


def table(world: World, rules: Rules) -> Counter[Row]:
    return Counter(
        Row(
            key=row[key_column(rules)],
            name=row["name"],
            employees=row["numberofemployees"],
            tier=row["new_tier"],
            mine=row["fax"] == "mine",
            expired=row["new_expiredon"] is not None,
            inactive=row["statecode"] == 1,
        )
        for row in world.dataverse.rows("account")
    )


def balance(found: object) -> dict[str, int]:
    return {name: n for name in found.__dataclass_fields__ if (n := getattr(found, name))}


def possible(rows: list[Row], rules: Rules) -> list[Row]:
    """Rows that the server can hold: with a unique key, one per key."""
    known: set[str] = set()
    kept = []
    for row in rows:
        folded = fold(row.key.replace("ß", "ss")) if row.key is not None else None
        if rules.unique and folded is not None and folded in known:
            continue
        known.add(str(folded))
        kept.append(row)
    return kept


def ended(world: World, *, planned: bool) -> Job:
    job = world.plan("laws") if planned else world.run("laws")
    return world.apply(job) if job.state is JobState.AWAITING_APPROVAL else job


@settings(BOUNDED, max_examples=examples(12))
@given(
    records=st.lists(RECORD, max_size=14),
    rows=st.lists(ROW, max_size=12),
    rules=RULES,
    wide=st.sampled_from([False, False, False, True]),
    planned=st.booleans(),
    type_=st.sampled_from(["delimited", "json"]),
)
def test_a_job_does_what_the_naive_model_does(
    laws: World, records: list[Record], rows: list[Row], rules: Rules, wide: bool, planned: bool, type_: str
) -> None:
    """Counts and table are those of the naive model, planned first or not; a second run writes nothing."""
    if rules.delta and rules.dropped != "ignore":
        rules = Rules(**{**rules.__dict__, "dropped": "ignore"})
    rows = possible(rows, rules)
    records = records + ([Record("Z", wide=True)] if wide else [])
    begin(laws, rows, rules, type_)
    expected = sync(written(laws, records, type_), rows, rules)

    job = ended(laws, planned=planned)

    assert job.error is None
    assert job.source.closes
    assert job.destination.closes
    assert balance(job.source) == {name: n for name, n in expected.source.items() if n}
    assert balance(job.destination) == {name: n for name, n in expected.destination.items() if n}
    assert table(laws, rules) == Counter(Row(**{**row.__dict__, "touched": False}) for row in expected.rows)
    laws.dataverse.clear_requests()
    again = ended(laws, planned=False)
    assert again.source.closes
    assert again.destination.closes
    assert laws.writes() == []
