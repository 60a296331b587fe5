"""`$filter` texts become trees, or are refused with the place of the mistake."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.dataverse.odata.syntax import Both, Compare, Function, Not, Path, Value, parse
from local.dataverse.refusals import Refusal


def test_and_binds_closer_than_or() -> None:
    """`a or b and c` is `a or (b and c)`."""
    tree = parse("a eq 1 or b eq 2 and c eq 3")
    assert isinstance(tree, Both)
    assert tree.operator == "or"
    assert isinstance(tree.right, Both)


def test_literals_keep_their_kind() -> None:
    """Numbers exactly, dates and ids as text, quotes undoubled."""
    values = {
        "1.10": Value("number", Decimal("1.10")),
        "'O''Hara'": Value("string", "O'Hara"),
        "2026-03-01T08:00:00Z": Value("date", "2026-03-01T08:00:00Z"),
        "AAAAAAAA-0000-4000-8000-000000000001": Value("guid", "aaaaaaaa-0000-4000-8000-000000000001"),
        "null": Value("null", None),
        "true": Value("boolean", True),
        "Microsoft.Dynamics.CRM.OwnershipTypes'UserOwned'": Value("enum", "UserOwned"),
        "@p": Value("null", None),
    }
    for text, value in values.items():
        assert parse(f"nav/col eq {text}") == Compare("eq", Path(("nav", "col")), value)


def test_aliases_are_filled_in() -> None:
    """`@p` stands for the literal of that parameter."""
    assert parse("not (a eq @p)", {"@p": "5"}) == Not(Compare("eq", Path(("a",)), Value("number", Decimal(5))))


def test_functions_of_dataverse_take_named_parameters() -> None:
    """Single or double quotes, one value or several."""
    tree = parse("""Microsoft.Dynamics.CRM.In(PropertyName='a',PropertyValues=['x',"O'Hara"])""")
    assert tree == Function("In", "a", ("x", "O'Hara"))


@pytest.mark.parametrize("text", ["", "a eq", "a eq 1)", "(a eq 1", "a eq 1 b", "a ! 1", "'x", "(" * 500, "not " * 500])
def test_what_is_no_filter_is_refused(text: str) -> None:
    """With status 400 and a text that shows where."""
    with pytest.raises(Refusal) as found:
        parse(text)
    assert found.value.status == 400


@given(st.text(alphabet="ab19.-'\"()[]=,/@ eqnotrd$", max_size=30))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Nothing else can come of it."""
    try:
        parse(text)
    except Refusal as refusal:
        assert refusal.status == 400
