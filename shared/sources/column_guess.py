"""What type a column of texts seems to have; careful, for a key read as a number is a key lost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from shared.sql import literal

ColumnType = Literal["text", "number", "date", "bool"]
_CHUNK = 50
_NUMBER = r"[+-]?(\d+(\.\d+)?|\.\d+)([eE][+-]?\d{1,3})?"
# Zeros in front, a plus sign, or as many digits as an account, article or telephone number has.
_CODE = r"[+-]?0\d+.*|\+\d+|[+-]?\d{10,}"
_BOOL = r"(?i)true|false"
_CODE_WORDS = frozenset(
    {"no", "nr", "num", "number", "code", "id", "key", "zip", "zipcode", "postcode", "postal", "phone", "tel",
     "telephone", "mobile", "gsm", "cell", "fax", "iban", "bic", "vat", "ean", "gtin", "sku", "ref",
     "reference", "account", "article", "serial"}
)  # fmt: skip
_ISO = r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d(:?\d\d)?)?)?"
_DAY_FIRST = {"%d/%m/%Y": "%m/%d/%Y", "%d-%m-%Y": "%m-%d-%Y", "%d.%m.%Y": "%m.%d.%Y"}
_DAYS = (*_DAY_FIRST, *_DAY_FIRST.values(), "%Y/%m/%d", "%Y%m%d")
_TIMES = (" %H:%M:%S", " %H:%M", "T%H:%M:%S")
_FORMATS = (*_DAYS, *(f"{day}{time}" for day in _DAYS if day != "%Y%m%d" for time in _TIMES))
_MOST = 0.8
"""The share of a column's values that must be dates of one form, so that the others are taken for mistakes."""
_FEWEST = 4
"""So many of them, at least."""
_VALUE = re.compile(rf"{_NUMBER}|{_ISO}|true|false|\d{{1,2}}[/.-]\d{{1,2}}[/.-]\d{{2,4}}.*")
_NATIVE: Mapping[str, ColumnType] = {
    "BOOLEAN": "bool",
    "DATE": "date",
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL"), "number"),
    **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "number"),
}


@dataclass(frozen=True, slots=True)
class SniffedColumn:
    """One column of the sample. `max_length` in characters; `doubt` says what a person should look at."""

    name: str
    type: ColumnType
    input_format: str | None
    max_length: int
    distinct_in_sample: int
    blanks: int
    doubt: str | None = None


def is_value(cell: str) -> bool:
    """Whether a cell is a number, a date or a truth value rather than a column's name."""
    return _VALUE.fullmatch(cell) is not None


def native(duckdb_type: str) -> ColumnType | None:
    """The type that a DuckDB type stands for; None for texts and everything else."""
    if duckdb_type.startswith("TIMESTAMP"):
        return "date"
    return None if duckdb_type.endswith("]") else _NATIVE.get(duckdb_type.partition("(")[0])


def guess(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], *, texts: frozenset[str]
) -> tuple[SniffedColumn, ...]:
    """Describe the columns c0, c1, … of the table `sample`, all VARCHAR.

    `texts` names columns whose values are texts by nature (quoted in JSON); they are never numbers or truth values.
    """
    found: list[SniffedColumn] = []
    for start in range(0, len(names), _CHUNK):
        chunk = names[start : start + _CHUNK]
        measures = ", ".join(_measures(f"c{start + at}") for at in range(len(chunk)))
        row = connection.execute(f"SELECT {measures} FROM sample").fetchall()[0]
        width = len(row) // len(chunk)
        for at, name in enumerate(chunk):
            found.append(_column(name, row[at * width : (at + 1) * width], is_text=name in texts))
    return tuple(found)


def _measures(column: str) -> str:
    filled = f"trim({column}) <> ''"
    formats = ", ".join(
        f"{literal(one)}: count(*) FILTER ({filled} AND try_strptime({column}, {literal(one)}) IS NOT NULL)"
        for one in _FORMATS
    )
    return f"""
        count(*) FILTER ({filled}),
        count(*),
        count(DISTINCT {column}) FILTER ({filled}),
        coalesce(max(length({column})), 0),
        count(*) FILTER ({filled} AND regexp_full_match({column}, {literal(_NUMBER)})),
        count(*) FILTER ({filled} AND regexp_full_match({column}, {literal(_CODE)})),
        count(*) FILTER ({filled} AND regexp_full_match({column}, {literal(_BOOL)})),
        count(*) FILTER ({filled} AND regexp_full_match({column}, {literal(_ISO)})),
        MAP {{{formats}}}
    """


def _column(name: str, measures: Sequence[object], *, is_text: bool) -> SniffedColumn:
    filled, total, distinct, length, numbers, codes, bools, iso = (int(str(one)) for one in measures[:8])
    formats = measures[8] if isinstance(measures[8], dict) else {}
    kind: ColumnType = "text"
    input_format, doubt = None, None
    dates = _dates(name, {None: iso} | {one: formats[one] for one in _FORMATS} if filled else {}, filled)
    if not filled:
        doubt = "it is empty in the sample"
    elif dates is not None:
        kind, (input_format, doubt) = "date", dates
    elif bools == filled and not is_text:
        kind = "bool"
    elif numbers == filled and not codes and not is_text and not _named_code(name):
        kind = "number"
    return SniffedColumn(name, kind, input_format, length, distinct, total - filled, doubt)


def _dates(name: str, counts: Mapping[str | None, int], filled: int) -> tuple[str | None, str | None] | None:
    """The form in which a column holds dates (None: as ISO 8601 says), and what is doubtful; None: it holds none.

    `counts` tells how many of the `filled` values are dates of each form. All of them, or nearly all: a mistake or two
    make no text of a column of dates.
    """
    if not _named_date(name):
        counts = {form: count for form, count in counts.items() if form != "%Y%m%d"}
    form = max(counts, key=lambda one: counts[one], default=None)
    fitting = counts.get(form, 0)
    if fitting < filled and not (fitting >= _FEWEST and fitting >= _MOST * filled):
        return None
    doubts = [f"does not fit {filled - fitting:,} of {filled:,} values in the sample"] if fitting < filled else []
    swapped = _swapped(form) if form else None
    doubts += ["day and month cannot be told apart"] if swapped and counts.get(swapped, 0) == fitting else []
    return form, "; ".join(doubts) or None


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).casefold()))


def _named_code(name: str) -> bool:
    return bool(_words(name) & _CODE_WORDS)


def _named_date(name: str) -> bool:
    return bool(_words(name) & {"date", "day", "on", "datum", "birthday", "since", "until", "from", "dt"})


def _swapped(day_format: str) -> str | None:
    day = day_format[:8]
    return day_format.replace(day, _DAY_FIRST[day]) if day in _DAY_FIRST else None
