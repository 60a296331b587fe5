"""The schema's rules: what becomes of every cell, and that each record stands alone."""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from shared.columns import FILTERED, REJECTED, REPORTED, compose
from shared.columns.casts import _short
from shared.definitions.schema_column import SchemaColumn
from shared.errors import FailError
from shared.expressions import ExpressionError
from shared.sql import identifier
from tests.examples import examples

CELLS = YAML(typ="safe").load(Path(__file__).parents[1] / "fixtures/columns_cells.yaml")


@pytest.fixture(scope="module")
def database():
    with duckdb.connect(config={"enable_external_access": "false", "threads": "1"}) as connection:
        yield connection


def schema(*columns):
    return [SchemaColumn.model_validate(column) for column in columns]


def typed(database, columns, rows, *, record_filter=None, staged=None, variables=None, zone="Europe/Amsterdam"):
    """The typed records as mappings by row number, and the problems."""
    declared = schema(*columns)
    staged = staged or {column.name: "VARCHAR" for column in declared if not column.calculated}
    names = ", ".join(f"{identifier(name)} {kind}" for name, kind in staged.items())
    database.execute("DROP TABLE IF EXISTS staged").fetchall()
    database.execute(f"CREATE TABLE staged (row_no BIGINT, {names})").fetchall()
    for number, row in enumerate(rows, 1):
        marks = ", ".join("?" for _ in row)
        database.execute(f"INSERT INTO staged VALUES ({number}, {marks})", list(row)).fetchall()
    source = compose(
        declared,
        relation="staged",
        staged=staged,
        variables=variables or {},
        time_zone=zone,
        record_filter=record_filter,
    )
    cursor = database.execute(source.query, dict(source.parameters))
    labels = [member[0] for member in cursor.description]
    records = {row[0]: dict(zip(labels, row, strict=True)) for row in cursor.fetchall()}
    problems = database.execute(source.problems, dict(source.parameters)).fetchall()
    assert records.keys() == set(range(1, len(rows) + 1))
    return records, problems


@pytest.mark.parametrize("case", CELLS, ids=lambda case: f"{case['column']['type']} {case['raw']!r}"[:50])
def test_cell(database, case):
    """Each case of the fixture becomes the value, the absence or the problem that it names."""
    column = schema({"name": "cell", **case["column"]})
    raw = case["raw"] if "staged" in case else "'" + case["raw"].replace("'", "''") + "'"
    source = compose(
        column,
        relation=f"(SELECT 1::BIGINT AS row_no, {raw} AS cell)",
        staged={"cell": case.get("staged", "VARCHAR")},
        variables={},
        time_zone="Europe/Amsterdam",
        record_filter=None,
    )
    shown = "CAST(cell AS VARCHAR)" + (', CAST("cell!utc" AS VARCHAR)' if case["column"]["type"] == "date" else "")
    absent = '"cell?"' if source.columns[0].may_be_absent else "FALSE"
    flags = f'"{REJECTED}", "{REPORTED}", "{FILTERED}"'
    row = database.execute(f"SELECT {absent}, {flags}, {shown} FROM ({source.query})").fetchall()[0]
    problem, rejecting = case.get("problem"), case.get("rejecting", False)
    assert row[:4] == (case.get("absent", False), bool(problem) and rejecting, bool(problem) and not rejecting, False)
    assert row[4] == case.get("gives")
    if len(row) == 6:
        assert row[5] == case.get("utc")
    found = database.execute(source.problems).fetchall()
    assert [(r[0], r[1], r[2], r[5]) for r in found] == ([(1, "cell", problem, rejecting)] if problem else [])


CUSTOMERS = [
    {"name": "customer_no", "mandatory": True, "validate": True, "trim": True},
    {"name": "credit", "type": "number"},
    {"name": "rate", "type": "number", "validate": True},
    {"name": "display", "formula": "concat(customer_no, ' ', @region)"},
    {"name": "share", "type": "number", "formula": "credit / rate"},
    {"name": "twice", "type": "number", "formula": "share * 2"},
    {"name": "size", "cases": [{"when": "credit > 100", "then": "'Large'"}], "otherwise": "'Small'"},
    {"name": "number", "type": "number", "formula": "row_number()"},
    {"name": "region", "formula": "@region"},
]


def test_calculated_columns(database):
    """Formulas see typed columns and one another, in whatever order they stand."""
    order = [*CUSTOMERS[:3], CUSTOMERS[5], CUSTOMERS[4], CUSTOMERS[3], *CUSTOMERS[6:]]
    records, problems = typed(database, order, [(" A ", "500", "4")], variables={"region": "EMEA"})
    assert problems == []
    record = records[1]
    assert (record["display"], record["share"], record["twice"]) == ("A EMEA", Decimal(125), Decimal(250))
    assert (record["size"], record["number"], record["region"]) == ("Large", 1, "EMEA")


def test_expression_error_rejects_its_record_only(database):
    """A division by zero rejects one record, with one problem per column that has no result."""
    records, problems = typed(
        database, CUSTOMERS, [("A", "1", "2"), ("B", "1", "0"), ("C", "1", "4")], variables={"region": "x"}
    )
    assert [record[REJECTED] for record in records.values()] == [False, True, False]
    assert [(row[0], row[1], row[2], row[5]) for row in problems] == [(2, "share", "Expression Error", True)]
    assert records[3]["share"] == Decimal("0.25")


@pytest.mark.parametrize(
    "formula",
    [
        "power(10, a)",
        "concat('x', power(10, a))",
        "CAST(power(10, a) AS TEXT)",
        "upper(-power(10, a))",
        "power(10, a) || ''",
        "concat(a, CAST(b AS DOUBLE))",
    ],
)
def test_no_infinity_becomes_a_text(database, formula):
    """An expression that gives no finite number rejects its record, also where the number is a step towards a text."""
    columns = [
        {"name": "a", "type": "number"},
        {"name": "b"},
        {"name": "c", "formula": formula},
    ]
    records, problems = typed(database, columns, [("2", "1"), ("400", "inf"), ("3", "2")])
    assert [record[REJECTED] for record in records.values()] == [False, True, False]
    assert [row[:3] for row in problems] == [(2, "c", "Expression Error")]
    assert "inf" not in f"{records[1]['c']} {records[3]['c']}"


def test_cast_errors_reject_their_record_only(database):
    """An error inside an expression stays with its record; the result's own type is checked like a read cell."""
    columns = [
        {"name": "a"},
        {"name": "b", "type": "number", "validate": True, "formula": "CAST(a AS INTEGER)"},
        {"name": "c", "type": "number", "formula": "a"},
    ]
    records, problems = typed(database, columns, [("1",), ("x",), ("3",)])
    assert [record["b"] for record in records.values()] == [1, None, 3]
    assert [row[1:3] for row in problems] == [("b", "Expression Error"), ("c", "Invalid Format")]
    assert records[2]["c?"] is True


def test_long_results_are_errors(database):
    """A calculated text of more than a million characters rejects its record."""
    columns = [{"name": "a"}, {"name": "b", "formula": "concat(a, a)"}]
    records, _ = typed(database, columns, [("x" * 600_000,), ("y",)])
    assert [record[REJECTED] for record in records.values()] == [True, False]
    assert records[1]["b"] is None


def test_absent_members(database):
    """An absent member is absent, a null one null; a formula is absent when all its inputs are."""
    columns = [
        {"name": "a", "mandatory": True},
        {"name": "b", "type": "number"},
        {"name": "both", "formula": "concat(a, b)"},
        {"name": "one", "formula": "upper(a)"},
    ]
    staged = {"a": "VARCHAR", "a?": "BOOLEAN", "b": "VARCHAR", "b?": "BOOLEAN"}
    rows = [("x", False, "1", False), (None, True, None, True), (None, False, "1", False), (None, True, "2", False)]
    records, problems = typed(database, columns, rows, staged=staged)
    assert [record["a?"] for record in records.values()] == [False, True, False, True]
    assert [record["one?"] for record in records.values()] == [False, True, False, True]
    assert [record["both?"] for record in records.values()] == [False, True, False, False]
    assert [record["both"] for record in records.values()] == ["x1", None, "1", "2"]
    reasons = [(row[0], row[2], row[4], row[5]) for row in problems]
    kind = "Mandatory Rule Violation"
    assert reasons == [
        (2, kind, "mandatory and absent", False),
        (3, kind, "mandatory and empty", False),
        (4, kind, "mandatory and absent", False),
    ]


def test_filter(database):
    """Not true is filtered and silent; undecidable is rejected; an error is rejected."""
    rows = [("A", "5", "1"), ("", "-5", "1"), ("C", "5", "x"), ("D", "x", "1"), ("E", "5", "0")]
    records, problems = typed(
        database, CUSTOMERS, rows, variables={"region": "x"}, record_filter="credit >= 0 AND rate < 9 AND share < 99"
    )
    found = [(record[REJECTED], record[FILTERED]) for record in records.values()]
    assert found == [(False, False), (False, True), (True, False), (True, False), (True, False)]
    assert {row[0] for row in problems if row[5]} == {3, 4, 5}
    records, problems = typed(database, [{"name": "a"}], [("1",), ("x",)], record_filter="CAST(a AS INTEGER) = 1")
    assert [record[REJECTED] for record in records.values()] == [False, True]
    assert [(row[0], row[1], row[2]) for row in problems] == [(2, None, "Expression Error")]


def test_labels_replace_names(database):
    """An alias is the name everywhere but in the source."""
    columns = [{"name": "Cust. No", "alias": "customer_no"}, {"name": "d", "formula": "customer_no || '!'"}]
    records, _ = typed(database, columns, [("A",)])
    assert (records[1]["customer_no"], records[1]["d"]) == ("A", "A!")


def test_hostile_names_and_values(database):
    """Names and values with quotes, statements and marks are names and values."""
    name = """a"; DROP TABLE staged; -- '$1 ? @x"""
    columns = [{"name": name, "replace": [{"pattern": "'; DROP", "with": "';"}]}, {"name": "c0v"}, {"name": "layer_0"}]
    records, _ = typed(database, columns, [("'; DROP", "x", "y")])
    assert (records[1][name], records[1]["c0v"], records[1]["layer_0"]) == ("';", "x", "y")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ([{"name": "a", "formula": "b"}, {"name": "b", "formula": "a"}], "circle: a, b, a"),
        ([{"name": "a", "formula": "nope"}], "column 'a', formula: unknown column 'nope'"),
        ([{"name": "a", "cases": [{"when": "1", "then": "2"}]}], "compare it"),
        ([{"name": "d", "type": "date"}, {"name": "a", "formula": "d * 2"}], "'a'"),
        ([{"name": "x", "replace": [{"pattern": "("}]}], "replacement"),
        ([{"name": "d", "type": "date", "input_format": "%Q"}], "input format"),
    ],
)
def test_wrong_schemas(columns, message):
    """A schema that cannot work is refused before any record is read, with the column's name."""
    staged = dict.fromkeys(("x", "d"), "VARCHAR")
    with pytest.raises(ExpressionError) as error:
        compose(schema(*columns), relation="t", staged=staged, variables={}, time_zone="UTC", record_filter=None)
    assert message in str(error.value)


def test_wrong_surroundings():
    """A missing column, an unknown zone, names that collide and a filter that is none are told."""

    def refused(columns, **changes):
        arguments = {"staged": {"a": "VARCHAR", "A": "VARCHAR"}, "time_zone": "UTC", "record_filter": None, **changes}
        with pytest.raises(FailError) as error:
            compose(schema(*columns), relation="t", variables={}, **arguments)
        return str(error.value)

    assert "has no column 'b'" in refused([{"name": "b"}])
    assert "Mars/Base" in refused([{"name": "a"}], time_zone="Mars/Base")
    assert "case does not count" in refused([{"name": "a"}, {"name": "A"}])
    assert "row_no" in refused([{"name": "a", "alias": "ROW_NO"}])
    assert "write a condition" in refused([{"name": "a"}], record_filter="a || 'x'")


PLAIN_TEXT = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
CLEAN = st.tuples(
    PLAIN_TEXT,
    st.decimals(min_value=-(10**15), max_value=10**15, allow_nan=False, places=10),
    st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    st.booleans(),
)
MIXED = [
    {"name": "t", "mandatory": True, "validate": True, "max_length": 8, "trim": True},
    {"name": "n", "type": "number", "validate": True},
    {"name": "d", "type": "date"},
    {"name": "b", "type": "bool"},
    {"name": "f", "type": "number", "formula": "n / length(t)"},
]


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(CLEAN, min_size=1, max_size=4))
def test_clean_values_survive(database, rows):
    """A clean value of every type comes out as it went in."""
    records, problems = typed(database, MIXED, [tuple(str(cell) for cell in row) for row in rows], zone="UTC")
    assert problems == []
    for row, record in zip(rows, records.values(), strict=True):
        assert (record["t"], record["n"], record["d"], record["b"]) == row
        assert record["d!utc"] == row[2]
        assert not (record[REJECTED] or record[REPORTED] or record[FILTERED])


DIRTY = st.tuples(*[st.one_of(st.none(), st.text(max_size=10), st.sampled_from(["0", "1e400", "-", "2026-01-01"]))] * 4)


@settings(max_examples=examples(25), deadline=None)
@given(
    st.lists(DIRTY, min_size=1, max_size=4), DIRTY, st.sampled_from([None, "f > 0", "d IS NULL", "CAST(t AS INT) > 0"])
)
def test_records_stand_alone(database, rows, other, record_filter):
    """One more record changes nothing for its neighbours; each record has one fate; problems match the flags."""
    alone, _ = typed(database, MIXED, rows, record_filter=record_filter)
    together, problems = typed(database, MIXED, [*rows, other], record_filter=record_filter)
    for number, record in alone.items():
        assert together[number] == record
    told = {(row[0], row[5]) for row in problems}
    for number, record in together.items():
        assert not (record[REJECTED] and record[FILTERED])
        assert ((number, True) in told) == record[REJECTED]
        assert ((number, False) in told) == record[REPORTED]


def test_a_double_of_few_places_is_its_shortest_text() -> None:
    """The quick way gives what the text gives, for every double, or leaves it to the text."""
    dice = Random(5)
    texts = [f"{dice.randrange(-(10**whole), 10**whole)}e-{places}" for whole in range(1, 19) for places in range(12)]
    odd = [
        0.0,
        -0.0,
        1e11,
        99999999999.9999,
        1e22,
        1e300,
        5e-324,
        0.1 + 0.2,
        2.675,
        900719925474.0993,
        math.pi,
        math.nan,
    ]
    numbers = [*odd, math.inf, -math.inf, *map(float, texts), *(math.nextafter(float(text), 9e99) for text in texts)]
    plain = "TRY_CAST(CAST(n AS VARCHAR) AS DECIMAL(38,10))"
    table = "FROM (SELECT unnest($numbers::DOUBLE[]) AS n)"
    other = f"SELECT n {table} WHERE ({_short('n', plain)}) IS DISTINCT FROM ({plain})"
    assert duckdb.execute(other, {"numbers": numbers}).fetchall() == []
    quick = f"SELECT count(*) {table} WHERE ({_short('n', 'NULL')}) IS NOT NULL"
    assert duckdb.execute(quick, {"numbers": numbers}).fetchall()[0][0] > len(texts) // 3
