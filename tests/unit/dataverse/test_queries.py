"""Values become typed literals that cannot leave their quotes, and filters stay within the service's length."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.dataverse.collation import is_accent_sensitive
from shared.dataverse.literals import encoded, equals, in_value, literal, quoted
from shared.dataverse.queries import both, column_of, key_filters, order, select
from shared.errors import DestinationError
from shared.values.tables import ColumnKind, DateBehaviour
from tests.unit.dataverse.service import account_table, column, row_id

TABLE = account_table()


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (ColumnKind.TEXT, "O'Brian", "'O''Brian'"),
        (ColumnKind.INTEGER, 5, "5"),
        (ColumnKind.CHOICE, "7", "7"),
        (ColumnKind.DECIMAL, Decimal("1E+3"), "1000"),
        (ColumnKind.MONEY, Decimal("1.50"), "1.50"),
        (ColumnKind.BOOLEAN, True, "true"),
        (ColumnKind.LOOKUP, row_id(7).upper(), row_id(7)),
        (ColumnKind.DATETIME, datetime(2026, 3, 1, 9, tzinfo=timezone(timedelta(hours=1))), "2026-03-01T08:00:00Z"),
        (ColumnKind.TEXT, None, "null"),
    ],
)
def test_literals(kind, value, text):
    """Each kind has its form."""
    assert literal(column("c", kind), value) == text


def test_date_only():
    """A calendar day has no time."""
    day = column("c", ColumnKind.DATETIME, date_behaviour=DateBehaviour.DATE_ONLY)
    assert literal(day, date(2026, 3, 1)) == "2026-03-01"
    assert literal(day, datetime(2026, 3, 1, tzinfo=UTC)) == "2026-03-01"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ColumnKind.INTEGER, "1 or 1 eq 1"),
        (ColumnKind.LOOKUP, "x"),
        (ColumnKind.DECIMAL, "NaN"),
        (ColumnKind.BOOLEAN, "true"),
        (ColumnKind.DATETIME, datetime(2026, 3, 1)),  # noqa: DTZ001 - the missing zone is the case
        (ColumnKind.UNSUPPORTED, "x"),
    ],
)
def test_wrong_values_are_refused(kind, value):
    """What does not fit its column never reaches a filter; the error does not repeat it."""
    with pytest.raises(DestinationError, match="column 'c'") as caught:
        literal(column("c", kind), value)
    assert "1 eq 1" not in str(caught.value)


@given(st.text())
def test_quotes_are_always_closed(text):
    """Inside the literal every quote is doubled, and it reads back."""
    inner = quoted(text)[1:-1]
    assert inner.replace("''", "").count("'") == 0
    assert inner.replace("''", "'") == text


@given(st.text())
def test_encoding_is_reversible_and_plain(text):
    """An encoded option is ASCII, without what would end it."""
    assert unquote(encoded(text)) == text.encode("utf-8", "replace").decode()
    assert not set(encoded(text)) & set('&#+ "<>?')


def test_in_values():
    """An apostrophe makes double quotes; what cannot be carried is left to a comparison."""
    name = TABLE.columns["name"]
    assert in_value(name, "A") == "'A'"
    assert in_value(name, "O'Brian") == '"O\'Brian"'
    assert in_value(name, "both ' and \"") is None
    assert in_value(name, "back\\slash") is None
    assert in_value(name, 'double"quoted') is None
    assert in_value(TABLE.columns["parentaccountid"], row_id(1)) is None
    assert equals(name, "a[b]") == "Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['a[b]'])"
    assert equals(TABLE.columns["parentaccountid"], row_id(1)) == f"_parentaccountid_value eq {row_id(1)}"


@given(
    keys=st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=60)), max_size=80),
    room=st.integers(1200, 3000),
)
def test_filters_carry_every_key_within_the_room(keys, room):
    """All keys are asked for, each filter fits."""
    filters = list(key_filters([TABLE.columns["name"]], keys, room=room))
    assert all(len(encoded(text)) <= room for text in filters)
    whole = "\n".join(filters)
    for (key,) in keys:
        element = in_value(TABLE.columns["name"], key)
        assert (element or literal(TABLE.columns["name"], key)) in whole


def test_several_columns_become_chains():
    """A key of two columns is a conjunction, keys are alternatives, none stands twice."""
    columns = [TABLE.columns["name"], TABLE.columns["numberofemployees"]]
    filters = list(key_filters(columns, [("A", 1), ("A", 1), ("B", None)], room=5000))
    assert filters == ["(name eq 'A' and numberofemployees eq 1) or (name eq 'B' and numberofemployees eq null)"]


def test_chains_are_bounded_in_conditions():
    """A filter has no more than 200 conditions."""
    columns = [TABLE.columns["name"], TABLE.columns["numberofemployees"]]
    filters = list(key_filters(columns, [("A", n) for n in range(250)], room=1_000_000))
    assert [text.count(" and ") for text in filters] == [100, 100, 50]


def test_select_and_order():
    """Lookups are read by their read name; the id is always selected and ordered by last."""
    assert select(TABLE, ["name", "parentaccountid"], ["x"]) == "accountid,name,_parentaccountid_value,x"
    assert order(TABLE, ["name desc"]) == "name desc,accountid"
    assert order(TABLE, ["accountid"]) == "accountid"
    with pytest.raises(DestinationError, match="asc or desc"):
        order(TABLE, ["name; drop"])


def test_unknown_columns_get_a_proposal():
    """The nearest names are told."""
    with pytest.raises(DestinationError, match="did you mean accountnumber"):
        column_of(TABLE, "AccountNumbr")


def test_both():
    """Conditions are joined in brackets, or given as they are."""
    assert both("a or b", "c") == "(a or b) and (c)"
    assert (both(None, "c"), both("a", None), both(None, None)) == ("c", "a", None)


def test_collations():
    """English folds accents, Swedish does not, the unknown is careful."""
    assert not is_accent_sensitive(1033)
    assert is_accent_sensitive(1053)
    assert not is_accent_sensitive(4711)
