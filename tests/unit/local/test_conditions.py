"""The table of operators, the spans of its dates, and the laws that every filter keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.conditions import dates
from local.dataverse.conditions.operators import BY_FUNCTION, BY_NAME, Family, Operator
from local.dataverse.messages import Request
from local.dataverse.service import Service

NOW = datetime(2024, 2, 29, 13, 30, 15, tzinfo=UTC)  # a Thursday in a leap year
PAGE = Path(__file__).parents[3] / "docs" / "local-dataverse.md"


@pytest.mark.parametrize(
    ("operator", "number", "first", "after"),
    [
        ("today", 0, "2024-02-29T00:00:00", "2024-03-01T00:00:00"),
        ("yesterday", 0, "2024-02-28T00:00:00", "2024-02-29T00:00:00"),
        ("tomorrow", 0, "2024-03-01T00:00:00", "2024-03-02T00:00:00"),
        ("last-seven-days", 0, "2024-02-22T00:00:00", "2024-03-01T00:00:00"),
        ("this-week", 0, "2024-02-25T00:00:00", "2024-03-03T00:00:00"),
        ("last-week", 0, "2024-02-18T00:00:00", "2024-02-25T00:00:00"),
        ("next-month", 0, "2024-03-01T00:00:00", "2024-04-01T00:00:00"),
        ("last-year", 0, "2023-01-01T00:00:00", "2024-01-01T00:00:00"),
        ("last-x-hours", 2, "2024-02-29T11:30:15", "2024-02-29T13:30:16"),
        ("last-x-days", 3, "2024-02-26T00:00:00", "2024-02-29T13:30:16"),
        ("next-x-days", 1, "2024-02-29T13:30:15", "2024-03-02T00:00:00"),
        ("last-x-years", 1, "2023-02-28T00:00:00", "2024-02-29T13:30:16"),
        ("next-x-months", 1, "2024-02-29T13:30:15", "2024-03-30T00:00:00"),
        ("olderthan-x-minutes", 90, None, "2024-02-29T12:00:15"),
        ("olderthan-x-months", 12, None, "2023-02-28T13:30:15"),
    ],
)
def test_spans_of_dates(operator: str, number: int, first: str | None, after: str) -> None:
    """From the first moment inside to the first moment after, over months of unequal length."""
    found = tuple(None if at is None else at.isoformat()[:19] for at in dates.span(operator, number, NOW))
    assert found == (first, after)


@pytest.mark.parametrize(
    ("operator", "numbers", "first", "after"),
    [
        ("this-fiscal-year", (), "2024-01-01", "2025-01-01"),
        ("last-fiscal-period", (), "2023-10-01", "2024-01-01"),
        ("next-fiscal-period", (), "2024-04-01", "2024-07-01"),
        ("last-x-fiscal-periods", (2,), "2023-07-01", "2024-01-01"),
        ("next-x-fiscal-years", (2,), "2025-01-01", "2027-01-01"),
        ("in-fiscal-year", (1999,), "1999-01-01", "2000-01-01"),
        ("in-fiscal-period-and-year", (4, 2020), "2020-10-01", "2021-01-01"),
        ("in-or-before-fiscal-period-and-year", (1, 2020), None, "2020-04-01"),
        ("in-or-after-fiscal-period-and-year", (1, 2020), "2020-01-01", None),
    ],
)
def test_spans_of_fiscal_dates(operator: str, numbers: tuple[int, ...], first: str | None, after: str | None) -> None:
    """Fiscal years are calendar years, periods are quarters."""
    found = tuple(None if at is None else at.date().isoformat() for at in dates.fiscal(operator, numbers, NOW))
    assert found == (first, after)


def test_every_function_is_documented() -> None:
    """The page names what the table has; `…` and `X…` stand for the words behind them."""
    text = PAGE.read_text(encoding="utf-8").split("**Query functions**")[1].split("**Nulls**")[0]
    named = set(re.findall(r"[A-Z]\w+", text))
    spans = {"Last", "This", "Next", "LastX", "NextX", "OlderThanX", "InOrBefore"}
    units = {"Week", "Month", "Year", "FiscalYear", "FiscalPeriod", "Minutes", "Hours", "Days", "Weeks", "Months"}
    units |= {"Years", "FiscalYears", "FiscalPeriods", "FiscalPeriodAndYear"}
    known = named | {start + unit for start in spans & named for unit in units}
    assert set(BY_FUNCTION) <= known


def test_opposites_name_each_other() -> None:
    """The opposite of an operator has it as its own opposite."""
    for operator in BY_NAME.values():
        if operator.inverse is not None:
            assert BY_NAME[operator.inverse].inverse == operator.name


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """Accounts without a null in what the laws ask for."""
    with LocalDataverse(clock=lambda: NOW) as server:
        rows = [
            {"name": name, "numberofemployees": number, "creditonhold": number > 2, "new_openedon": day}
            for name, number, day in [
                ("A", 1, "2024-02-29"),
                ("b", 2, "2024-02-28"),
                ("é", 3, "2023-02-28"),
                ("e  ", 4, "2024-03-01"),
                ("[x]", 5, "1999-12-31"),
            ]
        ]
        server.insert("account", rows)
        yield server.application.service


def ids(service: Service, query: str) -> set[str]:
    reply = service.answer(Request("GET", "accounts", query, {}, b"", "http://localhost/"))
    assert reply.status == 200, reply.body
    return {str(row["accountid"]) for row in orjson.loads(reply.body)["value"]}


def filtered(service: Service, text: str) -> set[str]:
    return ids(service, f"$filter={quote(text, safe='')}")


SIGNS = st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"])
LEAVES = st.one_of(
    st.tuples(st.just("numberofemployees"), SIGNS, st.integers(0, 6).map(str)),
    st.tuples(st.just("name"), SIGNS, st.sampled_from(["'a'", "'E'", "'[x]'"])),
    st.tuples(st.just("creditonhold"), st.just("eq"), st.sampled_from(["true", "false"])),
).map(" ".join) | st.sampled_from(
    [
        "contains(name,'e')",
        "creditonhold",
        "Microsoft.Dynamics.CRM.In(PropertyName='name',PropertyValues=['A','e'])",
        "Microsoft.Dynamics.CRM.Between(PropertyName='numberofemployees',PropertyValues=['2','4'])",
        "Microsoft.Dynamics.CRM.Today(PropertyName='new_openedon')",
        "Microsoft.Dynamics.CRM.LastXYears(PropertyName='new_openedon',PropertyValue=1)",
    ]
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner) | inner.map("not ({})".format)
    ),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(one=TREES, other=TREES)
def test_filters_keep_the_laws_of_logic(service: Service, one: str, other: str) -> None:
    """Without nulls a filter and its opposite share the rows out; *and* and *or* are what both, and either, find."""
    every, first, second = ids(service, ""), filtered(service, one), filtered(service, other)
    assert filtered(service, f"not ({one})") == every - first
    assert filtered(service, f"({one}) and ({other})") == first & second
    assert filtered(service, f"not (({one}) or ({other}))") == every - (first | second)


@pytest.mark.parametrize("operator", [o for o in BY_FUNCTION.values() if o.family in (Family.DATE, Family.FISCAL)])
def test_fetchxml_and_filters_agree(operator: Operator, service: Service) -> None:
    """An operator of dates finds the same rows under its name in FetchXML and as a query function."""
    values = ["1", "2024"][: operator.least] if operator.least != 1 or "year" not in operator.name else ["24"]
    values = ["2024"] if operator.name == "in-fiscal-year" else ["1"] if operator.name == "in-fiscal-period" else values
    word = f"<condition attribute='new_openedon' operator='{operator.name}'>"
    condition = word + "".join(f"<value>{value}</value>" for value in values) + "</condition>"
    fetch = f"<fetch><entity name='account'><attribute name='name'/><filter>{condition}</filter></entity></fetch>"
    names = ["PropertyValue"] if len(values) == 1 else ["PropertyValue1", "PropertyValue2"]
    given = "".join(f",{name}={value}" for name, value in zip(names, values, strict=False))
    function = f"Microsoft.Dynamics.CRM.{operator.function}(PropertyName='new_openedon'{given})"
    assert ids(service, f"fetchXml={quote(fetch, safe='')}") == filtered(service, function)
