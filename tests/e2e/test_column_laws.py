from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.values.jobs import JobState
from tests.e2e.conftest import BOUNDED, World, an_hour_ago, ignore
from tests.examples import examples

NAMES = [
    "code", "name", "population", "latitude", "elevation", "size", "founded", "updated", "local", "budget", "capital",
    "tags", "external", "notes", "country", "currency",
]  # fmt: skip
SOURCE = """
  type: delimited
  path: cities.csv
  time_zone: {zone}
  schema:
    - {{ name: code, type: text }}
    - {{ name: name, type: text }}
    - {{ name: population, type: number, validate: true }}
    - {{ name: latitude, type: number, validate: true }}
    - {{ name: elevation, type: number, validate: true }}
    - {{ name: size, type: text }}
    - {{ name: founded, type: date, validate: true }}
    - {{ name: updated, type: date, validate: true }}
    - {{ name: local, type: date, validate: true }}
    - {{ name: budget, type: number, validate: true }}
    - {{ name: capital, type: text }}
    - {{ name: tags, type: text }}
    - {{ name: external, type: text }}
    - {{ name: notes, type: text }}
    - {{ name: country, type: text }}
    - {{ name: currency, type: text }}
"""
DESTINATION = "  entity: new_city\n  id_column: new_cityid\n"
REST = """
mappings:
  - { source: code, target: new_citycode }
  - { source: name, target: new_name }
  - { source: population, target: new_population }
  - { source: latitude, target: new_latitude }
  - { source: elevation, target: new_elevation }
  - { source: size, target: new_sizeclass }
  - { source: founded, target: new_foundedon }
  - { source: updated, target: new_updatedon }
  - { source: local, target: new_localtime }
  - { source: budget, target: new_budget }
  - { source: capital, target: new_iscapital }
  - { source: tags, target: new_tags }
  - { source: external, target: new_externalid }
  - { source: notes, target: new_notes }
  - { source: country, target: new_countryid, link: { entity: new_country, column: new_iso } }
  - { source: currency, target: transactioncurrencyid, link: { entity: transactioncurrency, column: isocurrencycode } }
behaviour:
  strategy: full
  key: [new_citycode]
  brakes: { rejects: null, at_least: 1000 }
"""
SIGNS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
DAYS = st.dates(min_value=date(1753, 1, 2)).map(str)
HOURS = st.times().map(lambda time: time.isoformat(timespec="seconds"))
MOMENTS = st.builds(
    lambda day, hour, zone: f"{day}T{hour}{zone}", DAYS, HOURS, st.sampled_from(["", "Z", "+02:00", "-05:30"])
) | st.sampled_from(["2024-03-31T02:30:00", "2024-10-27T02:30:00", "2024-10-27 01:59:59.9", "1900-01-01 12:00"])


def decimals(low: str, high: str, places: int) -> st.SearchStrategy[str]:
    return st.decimals(low, high, allow_nan=False, places=places).map(lambda n: f"{n:f}")


CELLS = st.fixed_dictionaries(
    {
        "name": st.text(SIGNS, min_size=1, max_size=12),
        "population": st.integers(0, 2147483647).map(str),
        "latitude": decimals("-90", "90", 8) | st.sampled_from(["0.000005", "-0.000005", "1e1", "89.999995"]),
        "elevation": decimals("-999999", "999999", 5) | st.sampled_from(["0.005", "-0.005", "1.005", "2.675"]),
        "size": st.sampled_from(["small", "Medium ", "LARGE", "100000003"]),
        "founded": DAYS,
        "updated": MOMENTS,
        "local": MOMENTS,
        "budget": decimals("-99999999", "99999999", 6) | st.sampled_from(["0.5", "0.005", "-1.5", "123456789.125"]),
        "capital": st.sampled_from(["yes", "No", "TRUE", "f", "1", "0"]),
        "tags": st.lists(st.sampled_from(["Port", "airport", " University", "100000003"]), max_size=5).map(";".join),
        "external": st.uuids().map(str) | st.uuids().map(lambda u: "{" + str(u).upper() + "}"),
        "notes": st.text(SIGNS | st.sampled_from("\n\t\"'\\,"), max_size=30),
        "country": st.sampled_from(["NL", "nl ", "Be", "JP"]),
        "currency": st.sampled_from(["EUR", "usd", "JPY"]),
    },
)
RECORDS = st.lists(
    st.tuples(CELLS, st.sets(st.sampled_from([name for name in NAMES if name not in ("code", "currency")]))),
    min_size=1,
    max_size=40,
)


PLAIN = {
    "new_name": "name",
    "new_notes": "notes",
    "new_population": "population",
    "new_elevation": "elevation",
    "new_budget": "budget",
    "new_foundedon": "founded",
    "new_externalid": "external",
    "new_iscapital": "capital",
    "new_sizeclass": "size",
}
SIZES = {"small": 100000000, "medium": 100000001, "large": 100000002, "100000003": 100000003}


def expected(target: str, cells: dict[str, str], empty: set[str]) -> object:
    """What the table holds for a cell, worked out once more; halves are rounded away from zero."""
    cell = "" if PLAIN[target] in empty else cells[PLAIN[target]]
    if cell == "":
        return None
    if target in ("new_elevation", "new_budget"):
        digits = 2 if target == "new_elevation" or cells["currency"].upper() != "JPY" else 0
        return float(Decimal(cell).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))
    if target == "new_externalid":
        return cell.strip("{}").lower()
    if target == "new_iscapital":
        return cell.lower() in ("yes", "true", "1")
    if target == "new_sizeclass":
        return SIZES[cell.strip().lower()]
    return int(cell) if target == "new_population" else cell


@pytest.fixture(scope="module")
def cities() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as folder, LocalDataverse(clock=an_hour_ago) as dataverse:
        world = World(dataverse, Path(folder), {})
        (world.folder / "syncs").mkdir()
        (world.folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        dataverse.insert("new_country", [{"new_iso": iso, "new_name": iso} for iso in ("NL", "BE", "JP")])
        yield world


def text_of(records: list[tuple[dict[str, str], set[str]]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, NAMES, lineterminator="\n")
    writer.writeheader()
    for number, (cells, empty) in enumerate(records):
        writer.writerow({"code": f"C{number}", **{k: "" if k in empty else v for k, v in cells.items()}})
    return text.getvalue()


@settings(BOUNDED, max_examples=examples(8))
@given(records=RECORDS, zone=st.sampled_from(["Europe/Amsterdam", "America/New_York", "Asia/Kathmandu", "UTC"]))
def test_every_kind_of_column_survives_a_round_trip(
    cities: World, records: list[tuple[dict[str, str], set[str]]], zone: str
) -> None:
    """What was written is what the file says, as far as the column can hold it; a second run sends no write."""
    cities.clear("new_city")
    cities.define("cities", source=SOURCE.format(zone=zone), destination=DESTINATION, rest=REST)
    cities.write("cities.csv", text_of(records))

    job = cities.run("cities")

    assert (job.state, job.error, job.source.created) == (JobState.SUCCEEDED, None, len(records)), list(
        cities.app.rejects(job.id)
    )
    stored = {row["new_citycode"]: row for row in cities.dataverse.rows("new_city")}
    for number, (cells, empty) in enumerate(records):
        row = stored[f"C{number}"]
        assert {name: row[name] for name in PLAIN} == {name: expected(name, cells, empty) for name in PLAIN}
    cities.dataverse.clear_requests()
    plan = cities.plan("cities")
    changed = [(c.key, f) for c in (cities.app.plan_sample(plan.id, limit=5) if plan.planned else []) for f in c.fields]
    assert changed == []
    assert plan.source.unchanged == len(records)
    assert cities.writes() == []


def table(world: World) -> dict[object, dict[str, object]]:
    """All cities by id, without the stamps that every write changes."""
    stamps = ("createdon", "modifiedon", "versionnumber")
    return {
        row["new_cityid"]: {name: value for name, value in row.items() if name not in stamps}
        for row in world.dataverse.rows("new_city")
    }


@settings(BOUNDED, max_examples=examples(6))
@given(
    first=RECORDS,
    second=RECORDS,
    zone=st.sampled_from(["Europe/Amsterdam", "America/New_York", "Asia/Kathmandu", "UTC"]),
)
def test_an_undo_restores_every_kind_of_column(
    cities: World,
    first: list[tuple[dict[str, str], set[str]]],
    second: list[tuple[dict[str, str], set[str]]],
    zone: str,
) -> None:
    """Changed rows hold their old values, deleted ones are made again as they were, created ones are gone."""
    cities.clear("new_city")
    rest = REST.replace("key: [new_citycode]", "key: [new_citycode]\n  dropped: delete")
    cities.define("cities", source=SOURCE.format(zone=zone), destination=DESTINATION, rest=rest)
    cities.write("cities.csv", text_of(first))
    cities.run("cities")
    before = table(cities)
    cities.write("cities.csv", text_of(second))
    job = cities.run("cities")
    if job.brakes:  # a source that shrank, or a column that was emptied
        job = cities.apply(job)
    assert job.state is JobState.SUCCEEDED, list(cities.app.rejects(job.id))
    if not job.planned:
        return
    done = cities.app.undo(job.id, started_by="otto", progress=ignore, apply=True)
    assert (done.state, done.error) == (JobState.SUCCEEDED, None), list(cities.app.rejects(done.id))
    after = table(cities)
    assert after.keys() == before.keys()
    changed = {name for row_id, row in before.items() for name in row if row[name] != after[row_id][name]}
    unlike = [(row_id, name, before[row_id][name], after[row_id][name]) for row_id in before for name in changed]
    assert [one for one in unlike if one[2] != one[3]] == []
