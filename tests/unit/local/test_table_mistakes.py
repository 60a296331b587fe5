"""Mistakes in a table-definition file: all in one answer, each with file, place, what was found, what may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from local.dataverse import LocalDataverse
from local.dataverse.definitions import BUILT_IN, TableFileError, read
from local.dataverse.definitions.forms import BESIDE
from local.dataverse.settings import MEMBERS, of_table_file
from tests.examples import examples

COLUMN = "tables: {{ new_a: {{ name: new_name, columns: {{ new_name: {{}}, new_x: {} }} }} }}"
TABLE = "tables: {{ new_a: {{ name: new_name, columns: {{ new_name: {{}} }}, {} }} }}"


def told(folder: Path, text: str) -> list[str]:
    """The mistakes of a file, each without the file's name, which all of them begin with."""
    path = folder / "tables.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableFileError) as wrong:
        read(path)
    assert str(wrong.value).split("\n") == list(wrong.value.problems)
    assert all(problem.startswith(f"{path}: ") for problem in wrong.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in wrong.value.problems]


@pytest.mark.parametrize(
    ("column", "place", "found", "allowed"),
    [
        ("{ max: abc }", ".max", "'abc'", "a number"),
        ("{ max: -1 }", ".max", "-1", "a whole number of characters from 1 to 4,000"),
        ("{ max: 2.5 }", ".max", "2.5", "a whole number of characters from 1 to 4,000"),
        ("{ max: true }", ".max", "true", "a number"),
        ("{ min: 1 }", ".min", "1", "nothing; a column of type text has no min"),
        ("{ precision: z }", ".precision", "'z'", "a whole number"),
        ("{ precision: 2 }", ".precision", "2", "nothing; a column of type text has no precision"),
        ("{ type: file, max: 0 }", ".max", "0", "a whole number of kilobytes from 1 to 10,485,760"),
        ("{ type: integer, min: q }", ".min", "'q'", "a number"),
        ("{ type: integer, min: 5, max: 4 }", ".min", "5", "at most the max, 4"),
        ("{ type: integer, max: 2.5 }", ".max", "2.5", "a whole number from -2,147,483,648 to 2,147,483,647"),
        ("{ type: decimal, max: .inf }", ".max", "'inf'", "a number"),
        (
            "{ type: decimal, max: 1e12 }",
            ".max",
            "1,000,000,000,000",
            "a number from -100,000,000,000 to 100,000,000,000",
        ),
        ("{ type: decimal, precision: 11 }", ".precision", "11", "a whole number from 0 to 10"),
        ("{ type: money, precision_source: 3 }", ".precision_source", "3", "0 (the column's), 1 (the organization's)"),
        ("{ type: choice, options: { a: b } }", ".options.a", "'a'", "a whole number from 0 to 2,147,483,647"),
        ("{ type: choice, options: [1] }", ".options", "a list", "members"),
        ("{ type: choice, option_set: [1] }", ".option_set", "a list", "a name of letters, digits and _"),
        ("{ type: choice, option_set: none }", ".option_set", "'none'", "none; the file has no option_sets"),
        ("{ type: choice, options: { 1: A }, default: 2 }", ".default", "2", "1"),
        ("{ type: boolean, options: { 1: A } }", ".options", "1", "a label for 0 and one for 1"),
        ("{ type: boolean, default: 2 }", ".default", "2", "true or false"),
        ("{ default: 1 }", ".default", "1", "nothing; a column of type text has no default"),
        ("{ type: lookup }", ".targets", "nothing", "at least one table, such as {account: {}}"),
        ("{ type: lookup, targets: [new_a] }", ".targets", "a list", "members"),
        ("{ type: lookup, targets: { nowhere: } }", ".targets.nowhere", "no such table", "asyncoperation, new_a"),
        (
            "{ type: lookup, targets: { new_a: { delete: no } } }",
            ".targets.new_a.delete",
            "'no'",
            "restrict,",
        ),
        ("{ type: texd }", ".type", "'texd'", "text, memo, integer"),
        ("{ kind: text }", ".kind", "an unknown member", "create, custom, default"),
        ("{ required: maybe }", ".required", "'maybe'", "system, application, recommended or none"),
        ("{ schema: new_Y }", ".schema", "'new_Y'", "new_x, in upper and lower case as you like"),
        ("{ create: 1 }", ".create", "1", "true or false"),
        ("5", "", "5", "members, of create, custom"),
    ],
)
def test_a_column(column: str, place: str, found: str, allowed: str, tmp_path: Path) -> None:
    """One mistake is one line, and nothing that only follows from it is told."""
    (mistake,) = told(tmp_path, COLUMN.format(column))
    assert mistake.startswith(f"tables.new_a.columns.new_x{place}: found {found}; allowed: {allowed}")


def test_more_digits_than_are_kept(tmp_path: Path) -> None:
    """Bounds and precision are told together."""
    (mistake,) = told(tmp_path, COLUMN.format("{ type: decimal, precision: 10 }"))
    assert "tables.new_a.columns.new_x: found min -100,000,000,000, max" in mistake
    assert "allowed: no more than 18 digits" in mistake


@pytest.mark.parametrize(
    ("table", "place", "found", "allowed"),
    [
        ("type_code: abc", ".type_code", "'abc'", "a whole number"),
        ("type_code: 0", ".type_code", "0", "a whole number from 1 on"),
        ("status: 7", ".status", "7", "members"),
        ("status: { On: {} }", ".status.On", "no reasons", "at least one"),
        ("status: { On: { 1: A }, Off: { 1: B } }", ".status.Off.1", "a number that another state has", "each number"),
        ("rows: 5", ".rows", "5", "a list"),
        ("rows: [1, {}]", ".rows.0", "1", "a row: its columns with their values"),
        ("keys: 5", ".keys", "5", "members"),
        ("keys: { new_k: }", ".keys.new_k", "nothing", "members, of columns, label, schema, state"),
        ("keys: { new_k: { columns: [] } }", ".keys.new_k.columns", "none", "1 to 16 different columns"),
        (
            "keys: { new_k: { columns: [new_z] } }",
            ".keys.new_k.columns",
            "new_z, which the table has not",
            "columns of",
        ),
        (
            "keys: { new_k: { columns: [createdon, ownerid] } }",
            ".keys.new_k.columns",
            "ownerid, of type owner",
            "columns",
        ),
        ("keys: { new_k: { columns: ['?'] } }", ".keys.new_k.columns.0", "'?'", "a logical name"),
        ("elastic: true, keys: { new_k: { columns: [new_name] } }", ".keys", "members", "none; an elastic table"),
        ("schema: Other", ".schema", "'Other'", "new_a, in upper and lower case as you like"),
        ("id_schema: Other", ".id_schema", "'Other'", "new_aid, in upper and lower case as you like"),
        ("id: new_name", ".columns.new_name", "the primary id", "other columns"),
        ("set: teams", ".set", "'teams', as of table team", "a name of its own"),
        ("ownership: me", ".ownership", "'me'", "user, organization, none or business"),
        ("sett: x", ".sett", "an unknown member", "bulk, change_tracking, columns"),
    ],
)
def test_a_table(table: str, place: str, found: str, allowed: str, tmp_path: Path) -> None:
    """Likewise."""
    (mistake,) = told(tmp_path, TABLE.format(table))
    assert mistake.startswith(f"tables.new_a{place}: found {found}; allowed: {allowed}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("other: 1", "tables: found nothing; allowed: one member per table; or built_in: true"),
        ("[1]", "found a list; allowed: members, above all `tables`"),
        ("tables: [1", "cannot be read as YAML: "),
        ("tables: &t { new_a: *t }", "cannot be read as YAML: its parts refer to each other without end"),
        ("tables: 5", "tables: found 5; allowed: members, such as name: value"),
        ("tables: { 'x''f': {} }", "tables.x'f: found \"x'f\"; allowed: a logical name"),
        ("tables: { new_thing: { name: none } }", "tables.new_thing.name: found 'none'; allowed: a text column"),
        ("{ tables: {}, tabels: 1 }", "tabels: found an unknown member; allowed: actions, applications, built_in"),
        ("{ tables: {}, built_in: maybe }", "built_in: found 'maybe'; allowed: true or false"),
        ("{ tables: {}, option_sets: { new_s: { options: 5 } } }", "option_sets.new_s.options: found 5; allowed: memb"),
        ("{ tables: {}, many_to_many: { new_m: { first: team } } }", "many_to_many.new_m.second: found nothing; allo"),
        (
            "{ tables: {}, many_to_many: { team: { first: team, second: team } } }",
            "many_to_many.team.intersect: found 'team'; allowed: a name of its own; the table team has this one",
        ),
    ],
)
def test_a_file(text: str, says: str, tmp_path: Path) -> None:
    """Likewise of what stands beside the tables, and of what is no such file."""
    (mistake,) = told(tmp_path, text)
    assert mistake.startswith(says)


def test_options_from_two_places(tmp_path: Path) -> None:
    """A column has options of its own or those of an option set."""
    column = "{ type: choice, options: { 1: A }, option_set: new_s }"
    (mistake,) = told(tmp_path, COLUMN.format(column) + "\noption_sets: { new_s: { options: { 1: A } } }")
    assert mistake == "tables.new_a.columns.new_x: found options and option_set; allowed: one of the two"


def test_names_that_stand_twice(tmp_path: Path) -> None:
    """Relationships by one name, and navigation properties of one table by one name."""
    columns = (
        "new_a: { type: lookup, targets: { team: { relationship: new_r } } }, "
        "new_b: { type: lookup, targets: { team: { relationship: new_r, navigation: new_a } } }"
    )
    text = f"tables: {{ new_t: {{ name: new_name, columns: {{ new_name: {{}}, {columns} }} }} }}"
    first, second = told(tmp_path, text)
    assert "new_b.targets.team: found relationship 'new_r', as of column new_a of new_t" in first
    assert "new_b.targets.team: found navigation 'new_a', as of new_a, team" in second


def test_all_of_them_in_one_answer(tmp_path: Path) -> None:
    """Of shape, across parts, and of the settings in the same file."""
    text = """
tables:
  new_a:
    name: new_nam
    type_code: abc
    columns:
      new_name: { max: abc, options: { 1: A } }
      new_x: { type: integer, min: 5, max: 4 }
      "new'y": {}
    keys: { new_k: { columns: [new_z] } }
limits: { servers: none }
faults: [{ kind: rain }]
"""
    path = tmp_path / "tables.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TableFileError) as wrong:
        LocalDataverse(path)
    places = [problem.removeprefix(f"{path}: ").partition(": ")[0] for problem in wrong.value.problems]
    assert places == [
        "tables.new_a.type_code",
        "tables.new_a.columns.new_name.max",
        "tables.new_a.columns.new'y",
        "tables.new_a.name",
        "tables.new_a.keys.new_k.columns",
        "tables.new_a.columns.new_name.options",
        "tables.new_a.columns.new_x.min",
        "limits.servers",
        "faults.0.kind",
    ]


def test_rows_that_are_refused(tmp_path: Path) -> None:
    """All of them, with what the service says; a file that keeps rows keeps none then, and can be used again."""
    rows = "rows: [{ new_name: ok }, { new_name: %s }, { new_nam: x }, { new_d: .nan }]"
    path, kept = tmp_path / "tables.yaml", tmp_path / "rows.db"
    path.write_text(TABLE.format(rows % ("x" * 101)), encoding="utf-8")
    with pytest.raises(TableFileError) as wrong:
        LocalDataverse(path, kept)
    assert sorted(problem.partition(" found ")[2][:14] for problem in wrong.value.problems) == [
        '{"new_d": "nan',
        '{"new_nam": "x',
        '{"new_name": "',
    ]
    assert all(problem.startswith(f"{path}: tables.new_a.rows: found ") for problem in wrong.value.problems)
    path.write_text(TABLE.format("rows: [{ new_name: ok }]"), encoding="utf-8")
    server = LocalDataverse(path, kept)
    assert [row["new_name"] for row in server.rows("new_a")] == ["ok"]
    server.stop()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """One line."""
    with pytest.raises(TableFileError) as wrong:
        of_table_file(tmp_path / "none.yaml")
    assert wrong.value.problems == (f"{tmp_path / 'none.yaml'}: cannot be read as YAML: No such file or directory",)


def test_the_other_half_of_the_file_is_known() -> None:
    """The members that are left to the settings are those that the settings have."""
    assert BESIDE == MEMBERS


BUILT_IN_DOCUMENT: dict[str, Any] = YAML(typ="safe", pure=True).load(BUILT_IN.read_text(encoding="utf-8"))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.one_of(st.text(max_size=3), st.integers(), st.none()), st.integers(), max_size=2),
)


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """Part of the built-in file with up to four values replaced by something odd."""
    names = draw(st.lists(st.sampled_from(sorted(BUILT_IN_DOCUMENT["tables"])), min_size=1, max_size=2, unique=True))
    tables = {name: _copied(BUILT_IN_DOCUMENT["tables"][name]) for name in names}
    document = {"tables": tables, "many_to_many": _copied(BUILT_IN_DOCUMENT["many_to_many"])}
    for _ in range(draw(st.integers(1, 4))):
        inner: Any = document
        for _ in range(draw(st.integers(0, 5))):
            inside = [value for value in inner.values() if isinstance(value, dict) and value]
            inner = draw(st.sampled_from(inside)) if inside else inner
        inner[draw(st.one_of(st.sampled_from(list(inner)), st.text(max_size=4)))] = draw(ODD)
    return document


def _copied(value: Any) -> Any:
    return {name: _copied(inner) for name, inner in value.items()} if isinstance(value, dict) else value


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=spoiled())
def test_whatever_stands_in_it(document: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A file gives tables, or is told with its mistakes; no other error ever."""
    path = tmp_path_factory.getbasetemp() / "spoiled.yaml"
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(document, stream)
    try:
        read(path)
    except TableFileError as wrong:
        assert wrong.problems
