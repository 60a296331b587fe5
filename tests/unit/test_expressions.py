"""The expression language: what it gives, what it refuses, and that nothing else ever reaches DuckDB."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from shared.expressions import ExpressionError, choose, limits, parse
from shared.expressions.functions import NAMES
from shared.sql import identifier
from tests.examples import examples

ROOT = Path(__file__).parents[2]
REFUSED = YAML(typ="safe").load(ROOT / "tests/fixtures/expressions_refused.yaml")
KINDS = {"name": "text", "age": "number", "born": "date", "Twin": "text", "twin": "text"}

DOCUMENT = (ROOT / "docs/expressions.md").read_text(encoding="utf-8")
RECORD_KINDS = {
    "legal_name": "text",
    "customer_no": "text",
    "country": "text",
    "email": "text",
    "credit": "number",
    "opened_on": "date",
    "active": "bool",
}
RECORD = (
    "(SELECT 'Brandt & Söhne' AS legal_name, 'C-017' AS customer_no, 'NL' AS country, NULL::VARCHAR AS email, "
    "1250.5::DECIMAL(38, 10) AS credit, TIMESTAMP '2026-01-31 13:45:00' AS opened_on, TRUE AS active)"
)


def cells_of(line: str) -> list[str]:
    return [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def documented() -> list[tuple[str | None, str, str | None]]:
    """Function (where the row names one), example and result of every row of the tables."""
    found: list[tuple[str | None, str, str | None]] = []
    for line in DOCUMENT.partition("## Values and names")[2].splitlines():
        cells = cells_of(line) if line.startswith("| `") else []
        if len(cells) in (2, 3):
            gives = None if cells[-1] == "null" else cells[-1].strip("`")
            found.append((cells[0].strip("`") if len(cells) == 3 else None, cells[-2][1:-1], gives))
    return found


@pytest.fixture(scope="module")
def database():
    with duckdb.connect(config={"enable_external_access": "false", "threads": "1"}) as connection:
        yield connection


def value(database, text: str, relation: str = RECORD, kinds=RECORD_KINDS):
    expression = parse(text, columns=kinds, variables=["region"])
    parameters = {"v_region": "EMEA"} if expression.variables else {}
    return database.execute(
        f"SELECT CAST({expression.sql(identifier)} AS VARCHAR) FROM {relation}", parameters
    ).fetchall()


@pytest.mark.parametrize(("function", "example", "gives"), documented())
def test_documented_example(database, function, example, gives):
    """Every example in docs/expressions.md gives what the page says."""
    assert value(database, example) == [(gives,)]
    assert function is None or re.match(rf"{function}\(", example)


def test_every_function_is_documented():
    """No function of the language is missing from docs/expressions.md."""
    assert {name for name in NAMES if f"`{name}`" not in DOCUMENT} == {"row_number"}
    assert "`row_number()`" in DOCUMENT


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["text"][:40])
def test_refused(case):
    """What is not in the language is refused, and the message says why."""
    with pytest.raises(ExpressionError) as error:
        parse(case["text"], columns=KINDS, variables=["region"])
    assert case["says"] in str(error.value)


def test_exact_name_wins():
    """Case counts only where it must."""
    assert parse("Twin || NAME", columns=KINDS).columns == {"Twin", "name"}


def test_qualified_names():
    """`target.name` is one column when it is allowed, and unknown otherwise."""
    expression = parse("source.name = Target.Name", columns=["source.name", "target.name"])
    assert expression.sql(identifier) == '("source.name" = "target.name")'
    with pytest.raises(ExpressionError, match=r"unknown column 'source\.name'"):
        parse("source.name", columns=["name"])


def test_row_number_alone():
    """row_number() is a formula of its own or nothing."""
    assert parse("row_number()", columns=[], row_number=True).uses_row_number
    with pytest.raises(ExpressionError, match="use it alone"):
        parse("row_number() + 1", columns=[], row_number=True)


def test_variables_are_parameters_and_quoted_ones_are_text(database):
    """A variable is bound; an at sign in a text is a text."""
    expression = parse("concat(@region, 'a@region')", columns=[], variables=["region"])
    assert expression.sql(identifier) == "concat(CAST($v_region AS VARCHAR), 'a@region')"
    found = database.execute(f"SELECT {expression.sql(identifier)}", {"v_region": "'; DROP TABLE x --"}).fetchall()
    assert found == [("'; DROP TABLE x --a@region",)]


def test_choose_makes_one_kind(database):
    """Cases of texts and numbers give texts; the first that holds wins."""
    kinds = {"age": "number"}
    cases = [
        (parse("age > 5", columns=kinds), parse("'old'", columns=kinds)),
        (parse("age > 1", columns=kinds), parse("age", columns=kinds)),
    ]
    sql = choose(cases, None).sql(identifier)
    rows = database.execute(f"SELECT {sql} FROM (VALUES (9.0), (2.50), (0.0)) t(age)").fetchall()
    assert rows == [("old",), ("2.5",), (None,)]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3000 + "name" + ")" * 3000,
        "NOT " * 2000 + "name",
        "-" * 4999 + "age",
        "CASE WHEN " * 900,
        "a" * 10_001,
        "+".join(["age"] * 2000),
        "name" + "::VARCHAR" * 900,
        "upper(" * 1600,
    ],
)
def test_large_expressions_are_refused(text):
    """Size and depth have limits, met before any recursion breaks."""
    with pytest.raises(ExpressionError):
        parse(text, columns=KINDS)


def test_long_chains_are_fine(database):
    """A list of three hundred values and a chain of ninety conditions are no problem."""
    listed = ", ".join(f"'{number}'" for number in range(300))
    assert value(database, f"country IN ({listed})") == [("false",)]
    assert value(database, " OR ".join(f"credit = {number}" for number in range(90))) == [("false",)]


def test_growth_is_bounded(database):
    """Replacements that multiply end as an error of the record, long before the memory is full."""
    text = "name"
    for _ in range(9):
        text = f"replace({text}, 'a', 'aaaaaaaaaa')"
    sql = parse(text, columns=KINDS).sql(identifier)
    rows = database.execute(
        f"SELECT length(TRY({{'v': {sql}}}).v) FROM (VALUES (repeat('a', 1000)), ('b')) t(name)"
    ).fetchall()
    assert rows == [(None,), (1,)]


def test_computed_replacement_is_bounded(database):
    """A replacement from a column is measured."""
    sql = parse("replace(name, 'a', twin)", columns=KINDS).sql(identifier)
    relation = "(VALUES ('banana', 'o'), ('banana', repeat('x', 1001))) t(name, twin)"
    rows = database.execute(f"SELECT TRY({{'v': {sql}}}).v FROM {relation}").fetchall()
    assert rows == [("bonono",), (None,)]


def test_too_many_copies_are_refused():
    """An expression cannot join a column a hundred times over."""
    with pytest.raises(ExpressionError, match="copies"):
        parse(" || ".join(["name"] * (limits.COPIES + 1)), columns=KINDS)


def test_numbers_become_tidy_texts(database):
    """Ten decimals are for computing, not for reading."""
    for number, text in (("100", "100"), ("-0.50", "-0.5"), ("0", "0"), ("12.3456789012", "12.3456789012")):
        relation = f"(SELECT {Decimal(number)}::DECIMAL(38, 10) AS age)"
        assert value(database, "age || ''", relation, {"age": "number"}) == [(text,)]


NAMES_IN_TEXT = st.sampled_from(["name", "AGE", "born", '"twin"', "source.name", "unknown", "@region", "$x", "?", "*"])
PIECES = st.one_of(
    NAMES_IN_TEXT,
    st.sampled_from([*sorted(NAMES), "read_text", "query_table", "glob", "getenv", "repeat", "list_sum"]),
    st.sampled_from(list("()[]{},;:=<>+-*/%|!~^&'\"$@#.\\")),
    st.sampled_from(["AND", "OR", "NOT", "IN", "LIKE", "CASE", "WHEN", "THEN", "END", "SELECT", "FROM", "AS", "::INT"]),
    st.sampled_from(["'a'", "'it''s'", "1", "2.5", "1e9", "NULL", "TRUE", "--", "/*", "*/", "DATE '2026-01-01'", "||"]),
    st.text(max_size=3),
)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(PIECES, max_size=14).map(" ".join))
def test_hostile_texts_are_refused_or_harmless(database, text):
    """Whatever is typed is refused with our error, or gives one value of the record's own columns.

    The database is locked in and knows no table: a file, a setting or a foreign column would be another error.
    """
    try:
        expression = parse(text, columns=KINDS, variables=["region"])
    except ExpressionError:
        return
    assert expression.columns <= KINDS.keys()
    places = {"name": "c0", "age": "c1", "born": "c2", "Twin": "c3", "twin": "c4"}
    record = "(SELECT 'a' AS c0, 1.5::DECIMAL(38, 10) AS c1, TIMESTAMP '2026-01-31' AS c2, 'b' AS c3, 'c' AS c4)"
    sql = expression.sql(places.__getitem__)
    parameters = {f"v_{name}": "x" for name in expression.variables}
    try:
        rows = database.execute(f"SELECT {sql} FROM {record}", parameters).fetchall()
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException):
        return  # an error of the record
    except duckdb.BinderException as error:
        assert "column" not in str(error).partition("\n")[0]
        return
    assert len(rows) == 1
    assert len(rows[0]) == 1


def operands(children):
    pairs = st.tuples(children, children)
    return st.one_of(
        pairs.map(lambda p: f"({p[0]} || {p[1]})"),
        pairs.map(lambda p: f"concat({p[0]}, {p[1]})"),
        pairs.map(lambda p: f"coalesce({p[0]}, {p[1]})"),
        pairs.map(lambda p: f"CASE WHEN {p[0]} = {p[1]} THEN {p[0]} ELSE {p[1]} END"),
        pairs.map(lambda p: f"CASE WHEN {p[0]} NOT IN ({p[1]}, 'x') THEN {p[0]} END"),
        pairs.map(lambda p: f"CASE WHEN NOT {p[0]} LIKE {p[1]} AND {p[0]} IS NOT NULL OR {p[1]} < 'b' THEN {p[0]} END"),
        children.map(lambda text: f"replace(upper({text}), 'A', 'bb')"),
        children.map(lambda text: f"substring({text}, 1, 3)"),
    )


TEXTS = st.one_of(
    st.sampled_from(["name", "twin", '"Twin"']),
    st.text(alphabet="aé'\"-;€ /*@$\\%", max_size=5).map(lambda text: "'" + text.replace("'", "''") + "'"),
)
CELLS = st.one_of(st.none(), st.text(alphabet="aAbé'\"%_ \U0001f600", max_size=5))


@settings(max_examples=examples(80), deadline=None)
@given(st.recursive(TEXTS, operands, max_leaves=8), st.tuples(CELLS, CELLS, CELLS))
def test_rebuilt_means_what_was_written(database, text, cells):
    """The rebuilt SQL gives what DuckDB gives for the text itself."""
    assume("@" not in text)
    columns = {"name": "text", "Twin2": "text", "twin": "text", "Twin": "text"}
    relation = '(SELECT $1::VARCHAR AS name, $2::VARCHAR AS twin, $3::VARCHAR AS "other")'
    written = text.replace('"Twin"', "other")
    sql = parse(text, columns=columns).sql(lambda name: "other" if name == "Twin" else identifier(name))
    assert (
        database.execute(f"SELECT {sql} FROM {relation}", list(cells)).fetchall()
        == database.execute(f"SELECT {written} FROM {relation}", list(cells)).fetchall()
    )
