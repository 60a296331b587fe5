"""The functions of the language: the whole list. What is not here does not exist.

`takes` spells the arguments, one letter each; those in brackets may be left out, `+` repeats the last:

    T text (anything else is written as text)   N number    D date      A anything     B condition
    P pattern as a literal (RE2)                R literal text          M date mask as a literal
    U unit of time as a literal                 I whole number as a literal            W width up to `limits.PADDING`
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.expressions.fragments import Kind


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its arguments, what it gives (`same`: what its arguments are) and DuckDB's name for it."""

    takes: str
    gives: Kind
    duckdb: str

    @property
    def letters(self) -> str:
        """The letters of all arguments, without brackets and plus."""
        return "".join(letter for letter in self.takes if letter.isalpha())

    @property
    def least(self) -> int:
        """How many arguments it wants at least."""
        return len(self.takes.partition("[")[0].replace("+", "").replace(" ", ""))

    @property
    def most(self) -> int | None:
        """How many it takes at most; None: any number."""
        return None if "+" in self.takes else len(self.letters)

    def letter(self, position: int) -> str:
        """The letter of the argument at `position` (from 0)."""
        return self.letters[min(position, len(self.letters) - 1)]


def _function(takes: str, gives: Kind, duckdb: str) -> Function:
    return Function(takes, gives, duckdb)


FUNCTIONS: dict[str, Function] = {
    # texts
    "concat": _function("TT+", "text", "concat"),
    "concat_ws": _function("RT+", "text", "concat_ws"),
    "upper": _function("T", "text", "upper"),
    "lower": _function("T", "text", "lower"),
    "trim": _function("T[R]", "text", "trim"),
    "ltrim": _function("T[R]", "text", "ltrim"),
    "rtrim": _function("T[R]", "text", "rtrim"),
    "replace": _function("TTT", "text", "replace"),
    "regexp_replace": _function("TPR[R]", "text", "regexp_replace"),
    "regexp_extract": _function("TP[I]", "text", "regexp_extract"),
    "regexp_matches": _function("TP", "bool", "regexp_matches"),
    "substring": _function("TN[N]", "text", "substring"),
    "left": _function("TN", "text", "left"),
    "right": _function("TN", "text", "right"),
    "length": _function("T", "number", "length"),
    "split_part": _function("TTN", "text", "split_part"),
    "starts_with": _function("TT", "bool", "starts_with"),
    "ends_with": _function("TT", "bool", "ends_with"),
    "contains": _function("TT", "bool", "contains"),
    "strip_accents": _function("T", "text", "strip_accents"),
    "lpad": _function("TWR", "text", "lpad"),
    "rpad": _function("TWR", "text", "rpad"),
    "md5": _function("T", "text", "md5"),
    "sha1": _function("T", "text", "sha1"),
    "sha256": _function("T", "text", "sha256"),
    # numbers
    "abs": _function("N", "number", "abs"),
    "round": _function("N[I]", "number", "round"),
    "floor": _function("N", "number", "floor"),
    "ceil": _function("N", "number", "ceil"),
    "sign": _function("N", "number", "sign"),
    "power": _function("NN", "number", "power"),
    # dates
    "date_trunc": _function("UD", "date", "date_trunc"),
    "date_part": _function("UD", "number", "date_part"),
    "date_diff": _function("UDD", "number", "date_diff"),
    "date_add": _function("DA", "date", "date_add"),
    "year": _function("D", "number", "year"),
    "month": _function("D", "number", "month"),
    "day": _function("D", "number", "day"),
    "strftime": _function("DM", "text", "strftime"),
    "strptime": _function("TM", "date", "strptime"),
    "try_strptime": _function("TM", "date", "try_strptime"),
}

ALIASES = {"substr": "substring", "ceiling": "ceil", "pow": "power", "len": "length", "datediff": "date_diff"}
"""Other names of the same functions."""

CHOOSING = {"coalesce": "A+", "ifnull": "AA", "isnull": "AA", "nullif": "AA", "greatest": "A+", "least": "A+"}
"""Functions that give one of their arguments: all are made of one kind."""

CONDITIONAL = {"if": "BA[A]", "iif": "BA[A]"}
"""Functions that are a CASE in short."""

HASHES = {"sha256": "sha256", "sha1": "sha1", "md5": "md5"}
"""The algorithms of `hash('SHA256', text)`, in small letters, and DuckDB's functions for them."""

ROW_NUMBER = "row_number"

NAMES = frozenset({*FUNCTIONS, *ALIASES, *CHOOSING, *CONDITIONAL, "hash", ROW_NUMBER})
"""Every function name of the language."""

UNITS = frozenset(
    {"microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"},
)
"""Units for `date_trunc` and `date_diff`."""

PARTS = UNITS | {"dayofweek", "dow", "isodow", "dayofyear", "doy", "isoyear", "weekofyear", "epoch"}
"""What `date_part` tells."""

INTERVALS = {
    "second": "to_seconds", "minute": "to_minutes", "hour": "to_hours", "day": "to_days", "week": "to_weeks",
    "month": "to_months", "year": "to_years",
}  # fmt: skip
"""Units of an INTERVAL and the functions that make one."""

TYPES: dict[str, tuple[str, Kind]] = {
    "TEXT": ("VARCHAR", "text"), "VARCHAR": ("VARCHAR", "text"), "CHAR": ("VARCHAR", "text"),
    "TINYINT": ("TINYINT", "number"), "SMALLINT": ("SMALLINT", "number"), "INT": ("INTEGER", "number"),
    "BIGINT": ("BIGINT", "number"), "INT128": ("HUGEINT", "number"), "DECIMAL": ("DECIMAL", "number"),
    "FLOAT": ("FLOAT", "number"), "DOUBLE": ("DOUBLE", "number"), "BOOLEAN": ("BOOLEAN", "bool"),
    "DATE": ("DATE", "date"), "TIMESTAMP": ("TIMESTAMP", "date"), "TIMESTAMPNTZ": ("TIMESTAMP", "date"),
}  # fmt: skip
"""Types one may cast to, by sqlglot's name for them."""
