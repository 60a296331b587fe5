from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.definitions.formulas import Formula, FormulaName, parse_formula
from shared.definitions.loading import parse_sync
from shared.definitions.resolving import first_group, resolve_variables
from shared.definitions.sync import SyncDefinition
from shared.errors import RefuseError
from tests.unit.definitions.test_cases import BASE

OLD = """  region: { default: EMEA }
  extract: { file: true }
  day: { formula: "FILENAME(@extract, '(\\\\d{8})')" }
"""


def sync(variables: str) -> SyncDefinition:
    assert OLD in BASE
    return parse_sync(BASE.replace(OLD, variables), name="base")


def resolved(variables: str, **start: object) -> dict[str, str]:
    start = {"given": {}, "files": {}, "environ": {}, "new_guid": lambda: "guid-1", **start}
    return resolve_variables(sync(variables), **start)


def test_defaults_texts_files_and_formulas_become_values() -> None:
    """Every variable of the definition has one value, in the definition's order."""
    values = resolve_variables(
        sync(OLD),
        given={"region": "APAC"},
        files={"extract": Path("/up/erp_20240131.csv")},
        environ={},
        new_guid=lambda: "x",
    )
    assert values == {"region": "APAC", "extract": "/up/erp_20240131.csv", "day": "20240131"}
    assert list(values) == ["region", "extract", "day"]


def test_every_missing_variable_is_named_at_once() -> None:
    """Nobody has to start a job three times to learn what it wants."""
    told = "no value is given for a, c, and no file is given for f; give it with the start"
    with pytest.raises(RefuseError, match=rf"{told} \(on the command line: -v a=VALUE -v c=VALUE --file f=PATH\)"):
        resolved("  a: {}\n  b: { default: '' }\n  c: {}\n  f: { file: true }\n")


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ({"given": {"regoin": "x"}}, r"no variable 'regoin' \(its variables: a, f, g\)"),
        ({"given": {"x" * 50_000: "1"}}, f"no variable '{'x' * 39}…' "),
        ({"given": {"g": "x"}}, "made by a formula and cannot be given"),
        ({"given": {"f": "/etc/passwd"}}, "a file: write --file f=PATH"),
        ({"files": {"a": Path("x")}}, "a text: write -v a=VALUE"),
        ({"given": {"a": "x\0"}}, "a sign that is none"),
        ({"given": {"a": "\ud800"}}, "a sign that is none"),
        ({"given": {"a": "x" * 20_001}}, "longer than 20000"),
    ],
)
def test_what_cannot_be_given_is_refused(start: dict[str, object], says: str) -> None:
    """A file variable takes a file, never a path that a caller typed."""
    with pytest.raises(RefuseError, match=says):
        resolved("  a: { default: '1' }\n  f: { file: true, default: x }\n  g: { formula: GUID() }\n", **start)


def test_formulas_are_made_in_the_order_they_need() -> None:
    """A formula may read the value of another one, wherever it stands."""
    values = resolved(
        """  last: { formula: "FILENAME(@middle, '(\\\\d+)')" }
  middle: { formula: "FILEPATH(@first, 'in/(.*)\\\\.csv')" }
  first: { default: /data/in/run-42.csv }
"""
    )
    assert values == {"last": "42", "middle": "run-42", "first": "/data/in/run-42.csv"}


def test_guid_and_setting() -> None:
    """GUID() is new for each job; ENV reads the app's settings, which a definition may see by their prefix only."""
    text = "  run: { formula: GUID() }\n  stage: { formula: \"ENV('DYNSYNC_VAR_STAGE')\" }\n"
    assert resolved(text, environ={"DYNSYNC_VAR_STAGE": "test"}) == {"run": "guid-1", "stage": "test"}
    with pytest.raises(RefuseError, match="no setting DYNSYNC_VAR_STAGE; add it"):
        resolved(text)


@pytest.mark.parametrize(
    ("formula", "says"),
    [
        ("FILENAME(@a, '(z)')", r"variable 'b': 'x\.csv' does not match"),
        ("FILENAME(@a, '(')", "wrong or has no group"),
        ("FILENAME(@c, '(z)')", "names @c, which is no variable"),
        ("FILENAME(@b, '(z)')", "need each other: b → b"),
        ("NOW()", "variable 'b': the formula is not one that variables know"),
    ],
)
def test_a_formula_that_gives_nothing_is_refused_with_its_reason(formula: str, says: str) -> None:
    """The job does not start; the message names the variable."""
    with pytest.raises(RefuseError, match=says):
        resolved(f'  a: {{ default: "/in/x.csv" }}\n  b: {{ formula: "{formula}" }}\n')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FILENAME(@f, '(\\d+)')", Formula(FormulaName.FILENAME, "f", r"(\d+)")),
        (" filepath ( @f , 'O''Brien (.*)' ) ", Formula(FormulaName.FILEPATH, "f", "O'Brien (.*)")),
        ("GUID()", Formula(FormulaName.GUID)),
        ("env('DYNSYNC_VAR_A')", Formula(FormulaName.ENV, text="DYNSYNC_VAR_A")),
    ],
)
def test_the_four_formulas(text: str, expected: Formula) -> None:
    """Names know no case, blanks do not count, a quote is doubled."""
    assert parse_formula(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "GUID", "GUID(", "GUID(1)", "GUID('x')", "ENV()", "ENV(@a)", "ENV('PATH')", "FILENAME('x', '(a)')"),
        *("GUID();x", "FILENAME(@a '(a)')", "FILENAME(@a, '(a)',)", "FILENAME(,@a)", "GUID() GUID()"),
        f"FILENAME(@a, '{'a' * 501}')",
    ],
)
def test_anything_else_is_no_formula(text: str) -> None:
    """The message lists the four forms or the bound that was passed."""
    with pytest.raises(ValueError, match=r"write FILENAME|DYNSYNC_VAR_|at most 500"):
        parse_formula(text)


@given(st.text(max_size=60))
def test_any_text_is_a_formula_or_a_value_error(text: str) -> None:
    """The little parser knows no third way."""
    try:
        assert isinstance(parse_formula(text), Formula)
    except ValueError as error:
        assert "; " in str(error)


def test_a_pattern_that_explodes_elsewhere_is_answered() -> None:
    """The engine is linear: nested repeats over a long name end like any other."""
    with pytest.raises(ValueError, match="does not match"):
        first_group("((a*)*)*b", "a" * 20_000)


@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50))
def test_a_value_is_only_a_value(value: str) -> None:
    """O'Brien, @x and ${HOME} stay what they are."""
    assert resolved("  who: {}\n", given={"who": value}) == {"who": value}
