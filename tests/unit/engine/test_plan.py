"""A stored plan says in which form it is; another form is refused in words, never half understood."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import orjson
import pytest

from shared.engine.plan import VERSION, Manifest, PlanFile, PlannedColumn
from shared.errors import RefuseError
from shared.values.jobs import DestinationBalance, SourceBalance

MANIFEST = Manifest(
    job="20261122-1",
    sync="accounts",
    organization="o",
    table="account",
    key=("accountnumber",),
    ids="growing",
    accent_sensitive=False,
    columns=(PlannedColumn("name", "name", "Name", options=((1, "One"),)),),
    counts={"create": 2},
    source=SourceBalance(read=3),
    destination=DestinationBalance(read=1),
    reported=0,
)


def test_a_manifest_comes_back_as_it_was_stored():
    """All of it, and with its form."""
    assert orjson.loads(MANIFEST.to_json())["version"] == VERSION
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST


def test_a_manifest_of_the_time_before_forms_had_numbers_is_read():
    """It differs by the number alone."""
    values = orjson.loads(MANIFEST.to_json())
    del values["version"]
    assert Manifest.from_json(orjson.dumps(values)) == MANIFEST


@pytest.mark.parametrize(
    "other",
    [
        {"version": VERSION + 1},
        {"version": 0},
        {"unheard_of": 1},
        {"columns": [{"name": "x"}]},
        {"source": {"seen": 1}},
    ],
)
def test_another_form_is_refused(other):
    """The plan of another build is named as such, with the way out."""
    values = orjson.loads(MANIFEST.to_json()) | other
    with pytest.raises(RefuseError, match=r"another version of the program.*make a new plan"):
        Manifest.from_json(orjson.dumps(values))


def test_a_manifest_that_lacks_a_member_is_of_another_form():
    """An older build knew less."""
    values = orjson.loads(MANIFEST.to_json())
    del values["ids"]
    with pytest.raises(RefuseError, match="another version"):
        Manifest.from_json(orjson.dumps(values))


def test_a_spreadsheet_takes_no_key_for_a_formula(tmp_path: Path):
    """In the CSV file those have an apostrophe in front, but numbers; the other files have every key as it is."""
    keys = ["=HYPERLINK(1)", "+A1", "-A1", "@SUM(1)", "\t=1", "\r=1", "-1.5", "+49,10", "A=1", "'=1", ""]
    rows, manifest = tmp_path / "plan.parquet", tmp_path / "plan.json"
    manifest.write_bytes(MANIFEST.to_json())
    made = "unnest(?) AS key, 'create' AS action, uuid() AS id, '{}' AS after, generate_subscripts(?, 1) AS change"
    duckdb.connect().execute(f"COPY (SELECT {made}) TO '{rows}' (FORMAT parquet)", [keys, keys]).fetchall()
    with PlanFile(rows, manifest) as plan:
        assert plan.export(tmp_path / "out.csv") == len(keys)
        plan.export(tmp_path / "out.jsonl")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        told = [row["key"] for row in csv.DictReader(file)]
    assert told == [*(f"'{key}" for key in keys[:6]), *keys[6:]]
    assert [orjson.loads(line)["key"] for line in (tmp_path / "out.jsonl").read_bytes().splitlines()] == keys
