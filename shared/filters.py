"""Destination filters: OData `$filter` texts, checked and with their variables bound.

A filter travels as one query option of one address. So it may hold nothing that could begin another one, and a variable
becomes a literal of the type that its column has: a value can change what is compared, never the comparison itself.

Source: OData Version 4.01 Part 2, URL Conventions, 5.1.1 (literals: a quote in a text is doubled).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.errors import FailError
from shared.values.tables import ColumnKind

MAX_FILTER_CHARS = 20_000
MAX_VALUE_CHARS = 4_000
_MAX_DEPTH = 50
_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*')
    |(?P<variable>@[A-Za-z_][A-Za-z0-9_]*)
    |(?P<guid>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9A-Za-z_]))
    |(?P<date>\d{4}-\d\d-\d\d(?:T[0-9:.]+(?:Z|[+-]\d\d:\d\d))?(?![0-9A-Za-z_]))
    |(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![0-9A-Za-z_]))
    |(?P<name>[^\W\d]\w*(?:[./][^\W\d]\w*)*)
    |(?P<sign>[(),:*/=-])
    |(?P<blank>[ \t\r\n]+)
    |(?P<wrong>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMPARISONS = frozenset(("eq", "ne", "gt", "ge", "lt", "le", "in"))
_WORDS = _COMPARISONS | frozenset(
    ("and", "or", "not", "has", "add", "sub", "mul", "div", "mod", "true", "false", "null")
)
_QUERY_SIGNS = {
    "$": "`$`, with which a query option begins",
    ";": "`;`, which separates query options",
    "&": "`&`, with which another query option begins",
    "#": "`#`, which ends an address",
    "?": "`?`, with which query options begin",
    '"': "a double quote; texts stand in single quotes: 'Gold'",
    "=": "`=`; write eq, ne, gt, ge, lt or le",
    "'": "a quote that is not closed; a quote within a text is doubled: 'O''Brien'",
    "@": "`@` without a variable's name",
}
_INTEGERS = frozenset((ColumnKind.INTEGER, ColumnKind.BIGINT, ColumnKind.CHOICE, ColumnKind.STATE, ColumnKind.STATUS))
_NUMBERS = frozenset((ColumnKind.DECIMAL, ColumnKind.DOUBLE, ColumnKind.MONEY))
_IDS = frozenset((ColumnKind.LOOKUP, ColumnKind.OWNER, ColumnKind.UNIQUEIDENTIFIER))
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_BARE_GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:\d\d)")


class FilterError(FailError):
    """A filter that cannot be sent: what was found, where, and what to write instead."""


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def _tokens(text: str) -> Iterator[_Token]:
    if len(text) > MAX_FILTER_CHARS:
        raise FilterError(f"the filter has {len(text):,} characters; at most {MAX_FILTER_CHARS:,} are sent")
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind == "wrong":
            raise _unexpected(match.group(), match.start())
        if kind == "text" and _has_control(match.group()):
            raise FilterError(f"the text at character {match.start() + 1} of the filter holds a control character")
        if kind != "blank":
            yield _Token(kind, match.group(), match.start())


def _unexpected(sign: str, at: int) -> FilterError:
    found = _QUERY_SIGNS.get(sign) or ("a control character" if _has_control(sign) else f"{sign!r}")
    return FilterError(
        f"character {at + 1} of the filter is {found}; "
        "a filter is a comparison such as statecode eq 0 and name eq @name, without query options"
    )


def _has_control(text: str) -> bool:
    return any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 or sign in "\u2028\u2029" for sign in text)


def _checked(text: str) -> list[_Token]:
    tokens = list(_tokens(text))
    if not tokens:
        raise FilterError("the filter is empty; leave it out when all rows count")
    _check_equals(tokens)
    _check_brackets(tokens)
    return tokens


def _check_equals(tokens: Sequence[_Token]) -> None:
    """A `=` names a parameter of a called function, as in `Microsoft.Dynamics.CRM.LastXDays(PropertyName='x')`."""
    called = ""
    for at, token in enumerate(tokens):
        if token.text == "(":
            called = tokens[at - 1].text if at else ""
        elif token.text == ")":
            called = ""
        elif token.text == "=" and not (called.startswith("Microsoft.") and tokens[at - 2].text in ("(", ",")):
            raise _unexpected("=", token.at)


def _check_brackets(tokens: Sequence[_Token]) -> None:
    opened: list[int] = []
    for token in tokens:
        if token.text == "(" and token.kind == "sign":
            opened.append(token.at)
        elif token.text == ")" and token.kind == "sign":
            if not opened:
                raise FilterError(f"the bracket at character {token.at + 1} of the filter closes nothing; remove it")
            opened.pop()
        if len(opened) > _MAX_DEPTH:
            raise FilterError(f"the filter nests more than {_MAX_DEPTH} brackets; write it flatter")
    if opened:
        raise FilterError(f"the bracket at character {opened[-1] + 1} of the filter is not closed; add `)`")


def check(text: str) -> None:
    """Check that a text is one filter and nothing more (a light check; Dataverse makes the full one).

    Raises:
        FilterError: unbalanced quotes or brackets, a query option, a control character, or too long.
    """
    _checked(text)


def _is_call(tokens: Sequence[_Token], at: int) -> bool:
    return at + 1 < len(tokens) and tokens[at + 1].text == "(" and tokens[at].text not in _WORDS


def _column(tokens: Sequence[_Token], at: int) -> str | None:
    """The column that the token at this place names, if it names one."""
    if not 0 <= at < len(tokens):
        return None
    token = tokens[at]
    if token.kind != "name" or token.text in _WORDS or _is_call(tokens, at) or token.text.startswith("Microsoft."):
        return None
    if at + 1 < len(tokens) and tokens[at + 1].text in (":", "="):
        return None
    return token.text


def columns_in(text: str) -> set[str]:
    """The names that stand in a filter as columns, as written (`_parentaccountid_value`, `primarycontactid/fullname`).

    Raises:
        FilterError: as `check`.
    """
    tokens = _checked(text)
    marks = {tokens[at].text for at in range(len(tokens) - 1) if tokens[at + 1].text == ":"}
    found = {name for at in range(len(tokens)) if (name := _column(tokens, at)) is not None}
    return {name for name in found if name.split("/")[0] not in marks}


def functions_in(text: str) -> set[str]:
    """The functions that a filter calls, as written (`contains`, `Microsoft.Dynamics.CRM.In`, `contacts/any`).

    Raises:
        FilterError: as `check`.
    """
    tokens = _checked(text)
    return {token.text for at, token in enumerate(tokens) if token.kind == "name" and _is_call(tokens, at)}


def bind_odata(text: str, *, variables: Mapping[str, str], column_kind: Callable[[str], ColumnKind | None]) -> str:
    """The filter with every `@name` outside of texts replaced by a literal of the type that its column has.

    `column_kind` tells the type of a column by its name in the filter. Where no type can be told, and for text columns,
    the value becomes a quoted text.

    Raises:
        FilterError: the filter fails `check`, a variable has no value, or a value is not of its column's type.
            The message names variable and type, never the value.
    """
    tokens = _checked(text)
    parts: list[str] = []
    done = 0
    for at, token in enumerate(tokens):
        if token.kind == "variable":
            name = token.text[1:]
            if name not in variables:
                raise FilterError(f"the filter needs the variable @{name}, which has no value")
            column = _compared_with(tokens, at)
            kind = column_kind(column) if column is not None else None
            parts += [text[done : token.at], _literal(variables[name], kind, place=f"@{name}", column=column)]
            done = token.at + len(token.text)
    bound = "".join([*parts, text[done:]])
    check(bound)
    return bound


def _compared_with(tokens: Sequence[_Token], at: int) -> str | None:
    before = tokens[at - 1] if at else None
    if before is not None and before.text in _COMPARISONS:
        return _column(tokens, at - 2)
    if at + 1 < len(tokens) and tokens[at + 1].text in _COMPARISONS:
        return _column(tokens, at + 2)
    return _listed_for(tokens, at)


def _listed_for(tokens: Sequence[_Token], at: int) -> str | None:
    """The column of `column in (…, @name, …)`."""
    place = at - 1
    while place >= 0 and (tokens[place].text == "," or tokens[place].kind in _VALUES):
        place -= 1
    if place > 1 and tokens[place].text == "(" and tokens[place - 1].text == "in":
        return _column(tokens, place - 2)
    return None


_VALUES = frozenset(("text", "variable", "guid", "date", "number"))


def _literal(value: str, kind: ColumnKind | None, *, place: str, column: str | None) -> str:
    if len(value) > MAX_VALUE_CHARS:
        raise FilterError(
            f"the value of {place} has {len(value):,} characters; at most {MAX_VALUE_CHARS:,} fit into a filter"
        )
    made = _typed(value, kind)
    if made is None:
        raise FilterError(
            f"the value of {place} is not {_NEEDED.get(str(kind), 'a plain text')}, "
            f"which the filter needs{f' for the column {column}' if column else ''}"
        )
    return made


_NEEDED = {
    **dict.fromkeys(map(str, _INTEGERS), "a whole number"),
    **dict.fromkeys(map(str, _NUMBERS), "a number such as 1234.50"),
    **dict.fromkeys(map(str, _IDS), "an id such as 00000000-0000-0000-0000-000000000000"),
    str(ColumnKind.BOOLEAN): "true or false",
    str(ColumnKind.DATETIME): "a date such as 2026-01-31 or an instant such as 2026-01-31T08:00:00Z",
}


def _typed(value: str, kind: ColumnKind | None) -> str | None:
    if kind in _INTEGERS:
        return value if _INTEGER.fullmatch(value) else None
    if kind in _NUMBERS:
        return value if _NUMBER.fullmatch(value) else None
    if kind in _IDS:
        return str(UUID(value)) if _BARE_GUID.fullmatch(value) else None
    if kind == ColumnKind.BOOLEAN:
        return value.lower() if value.lower() in ("true", "false") else None
    if kind == ColumnKind.DATETIME:
        return value if _is_date(value) else None
    return None if _has_control(value) or _has_surrogate(value) else "'" + value.replace("'", "''") + "'"


def _has_surrogate(text: str) -> bool:
    return any(0xD800 <= ord(sign) < 0xE000 for sign in text)


def _is_date(value: str) -> bool:
    try:
        if _DATE.fullmatch(value):
            return date.fromisoformat(value) is not None
        return _INSTANT.fullmatch(value) is not None and datetime.fromisoformat(value) is not None
    except ValueError:
        return False
