"""A variable can change what a filter compares with, never the filter itself."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.filters import MAX_VALUE_CHARS, FilterError, bind_odata, check, columns_in
from shared.values.tables import ColumnKind

KINDS = {
    "name": ColumnKind.TEXT,
    "statecode": ColumnKind.STATE,
    "revenue": ColumnKind.MONEY,
    "accountid": ColumnKind.UNIQUEIDENTIFIER,
    "_parentaccountid_value": ColumnKind.LOOKUP,
    "creditonhold": ColumnKind.BOOLEAN,
    "createdon": ColumnKind.DATETIME,
}
GUID = "0F8FAD5B-D9CB-469F-A165-70867728950E"


def bound(text: str, **variables: str) -> str:
    return bind_odata(text, variables=variables, column_kind=KINDS.get)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("name eq @v", "O'Brien", "name eq 'O''Brien'"),
        ("name eq @v", "x' or 1 eq 1 or 'a' eq 'a", "name eq 'x'' or 1 eq 1 or ''a'' eq ''a'"),
        ("name eq @v", "a&$top=1#;", "name eq 'a&$top=1#;'"),
        ("name eq @v", "naïve 東京 🌍", "name eq 'naïve 東京 🌍'"),
        ("name eq @v", "", "name eq ''"),
        ("@v eq name", "x", "'x' eq name"),
        ("contains(name,@v)", "5", "contains(name,'5')"),
        ("other eq @v", "5", "other eq '5'"),
        ("statecode eq @v", "0", "statecode eq 0"),
        ("revenue gt @v", "-1234.50", "revenue gt -1234.50"),
        ("accountid eq @v", GUID, f"accountid eq {GUID.lower()}"),
        ("_parentaccountid_value ne @v", GUID, f"_parentaccountid_value ne {GUID.lower()}"),
        ("creditonhold eq @v", "TRUE", "creditonhold eq true"),
        ("createdon ge @v", "2026-01-31", "createdon ge 2026-01-31"),
        ("createdon ge @v", "2026-01-31T08:00:00+01:00", "createdon ge 2026-01-31T08:00:00+01:00"),
        ("statecode in (1, @v)", "2", "statecode in (1, 2)"),
        ("not (statecode eq @v) and name eq 'me@v.com'", "1", "not (statecode eq 1) and name eq 'me@v.com'"),
    ],
)
def test_a_variable_becomes_a_literal_of_its_columns_type(text: str, value: str, expected: str) -> None:
    """Texts are quoted with quotes doubled; other types stand bare, and are checked."""
    assert bound(text, v=value) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("statecode eq @v", "0 or 1 eq 1"),
        ("statecode eq @v", "0x1"),
        ("statecode eq @v", "١"),
        ("statecode eq @v", ""),
        ("statecode eq @v", "0\n"),
        ("revenue gt @v", "1e5"),
        ("revenue gt @v", "NaN"),
        ("accountid eq @v", "{" + GUID + "}"),
        ("accountid eq @v", GUID + " or true"),
        ("creditonhold eq @v", "1"),
        ("createdon ge @v", "2026-02-31"),
        ("createdon ge @v", "2026-01-31 08:00"),
        ("createdon ge @v", "now() or true"),
        ("name eq @v", "a\0b"),
        ("name eq @v", "a\nb"),
        ("name eq @v", "\ud800"),
        ("name eq @v", "x" * (MAX_VALUE_CHARS + 1)),
    ],
)
def test_a_value_that_is_no_literal_of_the_type_is_refused_without_being_shown(text: str, value: str) -> None:
    """The message names the variable and what its column needs; never the value."""
    with pytest.raises(FilterError, match="@v") as caught:
        bound(text, v=value)
    assert len(value) < 5 or value not in str(caught.value)
    assert "or true" not in str(caught.value)


def test_a_missing_variable_is_named() -> None:
    """Nothing is sent with a hole in it."""
    with pytest.raises(FilterError, match="@region"):
        bound("name eq @region")


@pytest.mark.parametrize(
    "text",
    [
        "name eq 'x",
        "(name eq 'x'",
        "name eq 'x')",
        ") or (true",
        "name eq 'x'&$top=1",
        "statecode eq 0;$expand=x",
        "statecode eq 0 #",
        "$filter=statecode eq 0",
        "statecode eq 0?x",
        "statecode = 0",
        "(statecode = 0)",
        "startswith(name='x')",
        'name eq "x"',
        "name eq 'a\tb'",
        "name eq 'a\x00b'",
        "statecode eq 0 %26 x",
        "statecode eq @",
        "",
        "   ",
        "(" * 60 + "true" + ")" * 60,
        "name eq '" + "x" * 30_000 + "'",
    ],
)
def test_what_is_not_one_filter_is_refused(text: str) -> None:
    """No query option, no open quote or bracket, no control character."""
    with pytest.raises(FilterError, match="filter"):
        check(text)
    with pytest.raises(FilterError, match="filter"):
        bound(text)


def test_columns_are_told_from_words_functions_texts_and_variables() -> None:
    """What stands in a text, is called or is a lambda's variable is no column."""
    text = (
        "(statecode eq 0 or contains(name,'status')) and _parentaccountid_value ne null "
        f"and primarycontactid/fullname eq @me and accountid ne {GUID} and createdon gt 2026-01-01T00:00:00Z "
        "and tasks/any(t:t/subject eq 'x') "
        "and Microsoft.Dynamics.CRM.LastXDays(PropertyName='modifiedon',PropertyValue=7)"
    )
    assert columns_in(text) == {
        "statecode", "name", "_parentaccountid_value", "primarycontactid/fullname", "accountid", "createdon",
    }  # fmt: skip


PRINTABLE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=200)


@given(value=PRINTABLE)
def test_any_text_stays_one_literal(value: str) -> None:
    """Law: whatever the value, the bound filter is the comparison with one text, and the text reads back the same."""
    made = bound("statecode eq 0 and name eq @v", v=value)
    literal = made.removeprefix("statecode eq 0 and name eq ")
    assert re.fullmatch(r"'(?:[^']|'')*'", literal)
    assert literal[1:-1].replace("''", "'") == value
    assert columns_in(made) == {"statecode", "name"}


@given(value=st.text(max_size=60), column=st.sampled_from(sorted(KINDS)))
def test_no_value_adds_a_condition(value: str, column: str) -> None:
    """Law: a bound filter has the columns of the unbound one, or is refused."""
    try:
        made = bound(f"{column} eq @v", v=value)
    except FilterError:
        return
    assert columns_in(made) == {column}
