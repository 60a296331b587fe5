"""Every operator that a condition may have: its name in FetchXML, its function in the Web API, and its parameters.

Source: Microsoft Learn, "FetchXml condition operators" and "Web API Query Function Reference", read November 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto


class Family(Enum):
    """What an operator does."""

    COMPARE = auto()
    NULL = auto()
    TEXT = auto()
    LIST = auto()
    BETWEEN = auto()
    CHOICES = auto()
    ON = auto()
    DATE = auto()
    FISCAL = auto()
    USER = auto()
    HIERARCHY = auto()


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator. `least` and `most` bound the number of its values (`most` None: any number)."""

    name: str
    family: Family
    function: str | None = None
    least: int = 1
    most: int | None = 1
    inverse: str | None = None


def _pair(names: str, family: Family, *, values: tuple[int, int | None] = (1, 1), functions: str = " ") -> None:
    """An operator and its opposite."""
    name, other = names.split()
    own, _, opposite = functions.partition(" ")
    _add(Operator(name, family, own or None, *values, other))
    _add(Operator(other, family, opposite or None, *values, name))


def _add(operator: Operator) -> None:
    BY_NAME[operator.name] = operator
    if operator.function is not None:
        BY_FUNCTION[operator.function] = operator


def _dates(family: Family, values: int, listed: str) -> None:
    for word in listed.split():
        name, _, function = word.partition("=")
        _add(Operator(name, family, function, values, values))


BY_NAME: dict[str, Operator] = {}
BY_FUNCTION: dict[str, Operator] = {}

_pair("eq ne", Family.COMPARE)
_pair("gt le", Family.COMPARE)
_pair("ge lt", Family.COMPARE)
_pair("null not-null", Family.NULL, values=(0, 0))
_pair("like not-like", Family.TEXT)
_pair("contains not-contains", Family.TEXT)
_pair("begins-with not-begin-with", Family.TEXT)
_pair("ends-with not-end-with", Family.TEXT)
_pair("in not-in", Family.LIST, values=(1, None), functions="In NotIn")
_pair("between not-between", Family.BETWEEN, values=(2, 2), functions="Between NotBetween")
_pair(
    "contain-values not-contain-values",
    Family.CHOICES,
    values=(1, None),
    functions="ContainValues DoesNotContainValues",
)
_pair("on not-on", Family.ON, functions="On NotOn")
_dates(Family.ON, 1, "on-or-before=OnOrBefore on-or-after=OnOrAfter")
_pair("eq-userid ne-userid", Family.USER, values=(0, 0), functions="EqualUserId NotEqualUserId")
_pair("eq-businessid ne-businessid", Family.USER, values=(0, 0), functions="EqualBusinessId NotEqualBusinessId")
_dates(
    Family.USER,
    0,
    "eq-userteams=EqualUserTeams eq-useroruserteams=EqualUserOrUserTeams "
    "eq-useroruserhierarchy=EqualUserOrUserHierarchy "
    "eq-useroruserhierarchyandteams=EqualUserOrUserHierarchyAndTeams eq-userlanguage=EqualUserLanguage",
)
_pair("under not-under", Family.HIERARCHY, functions="Under NotUnder")
_dates(Family.HIERARCHY, 1, "above=Above eq-or-above=AboveOrEqual eq-or-under=UnderOrEqual")
_dates(
    Family.DATE,
    0,
    "yesterday=Yesterday today=Today tomorrow=Tomorrow last-seven-days=Last7Days next-seven-days=Next7Days "
    "last-week=LastWeek this-week=ThisWeek next-week=NextWeek last-month=LastMonth this-month=ThisMonth "
    "next-month=NextMonth last-year=LastYear this-year=ThisYear next-year=NextYear",
)
_dates(
    Family.DATE,
    1,
    "last-x-hours=LastXHours next-x-hours=NextXHours last-x-days=LastXDays next-x-days=NextXDays "
    "last-x-weeks=LastXWeeks next-x-weeks=NextXWeeks last-x-months=LastXMonths next-x-months=NextXMonths "
    "last-x-years=LastXYears next-x-years=NextXYears olderthan-x-minutes=OlderThanXMinutes "
    "olderthan-x-hours=OlderThanXHours olderthan-x-days=OlderThanXDays olderthan-x-weeks=OlderThanXWeeks "
    "olderthan-x-months=OlderThanXMonths olderthan-x-years=OlderThanXYears",
)
_dates(
    Family.FISCAL,
    0,
    "this-fiscal-year=ThisFiscalYear this-fiscal-period=ThisFiscalPeriod next-fiscal-year=NextFiscalYear "
    "next-fiscal-period=NextFiscalPeriod last-fiscal-year=LastFiscalYear last-fiscal-period=LastFiscalPeriod",
)
_dates(
    Family.FISCAL,
    1,
    "last-x-fiscal-years=LastXFiscalYears last-x-fiscal-periods=LastXFiscalPeriods "
    "next-x-fiscal-years=NextXFiscalYears next-x-fiscal-periods=NextXFiscalPeriods "
    "in-fiscal-year=InFiscalYear in-fiscal-period=InFiscalPeriod",
)
_dates(
    Family.FISCAL,
    2,
    "in-fiscal-period-and-year=InFiscalPeriodAndYear "
    "in-or-before-fiscal-period-and-year=InOrBeforeFiscalPeriodAndYear "
    "in-or-after-fiscal-period-and-year=InOrAfterFiscalPeriodAndYear",
)
BY_NAME["neq"] = BY_NAME["ne"]
