"""Checks of what JSON carries as text: text, ids, days and moments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from local.dataverse.refusals import Refusal, bad_literal, invalid
from local.dataverse.tables import Column
from local.dataverse.values import forms
from local.dataverse.values.check import Check, null
from local.dataverse.values.forms import CANONICAL, DAY, GUID

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_FIRST_DAY = "1753-01-01"


def text(table: str, column: Column) -> Check:
    """The check of a text column."""
    longest, nullable = column.max_length or 0, column.required != "SystemRequired"

    def one(value: object) -> object:
        if value is None or value == "":
            return null(table, column)
        if not isinstance(value, str):
            raise bad_literal(table, value, "Edm.String")
        if len(value.encode("utf-16-le", "surrogatepass")) // 2 > longest:
            raise invalid(
                "0x80044331",
                f"The length of the '{column.name}' attribute of the '{table}' entity exceeded the maximum allowed "
                f"length of '{longest}'.",
            )
        if _CONTROL.search(value) or _SURROGATE.search(value):
            raise Refusal(400, "0x80040278", f"Invalid character in field '{column.name}': a control character.")
        return value

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) == {str}:
            texts: Sequence[str] = values  # type: ignore[assignment]
            listed: list[object] = list(texts)
        else:
            texts = [v for v in values if isinstance(v, str)]
            if not nullable or len(texts) + sum(v is None for v in values) != len(values):
                return None
            listed = list(values)
        joined = "".join(texts)
        if _CONTROL.search(joined) or max(map(len, texts), default=0) * (1 if joined.isascii() else 2) > longest:
            return None
        if "" in texts:
            return [v or None for v in listed] if nullable else None
        return listed

    return Check(one, quick)


def guid(table: str, column: Column) -> Check:
    """The check of an id column."""

    def one(value: object) -> object:
        if value is None:
            return null(table, column)
        if not isinstance(value, str) or GUID.fullmatch(value) is None:
            raise bad_literal(table, value, "Edm.Guid")
        return value.lower()

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) != {str}:
            return None
        texts: Sequence[str] = values  # type: ignore[assignment]
        return [v.lower() for v in texts] if all(map(GUID.fullmatch, texts)) else None

    return Check(one, quick)


def moment(table: str, column: Column) -> Check:
    """The check of a date column."""
    only_day = column.behaviour == "DateOnly"
    parse, edm = (forms.day, "Edm.Date") if only_day else (forms.moment, "Edm.DateTimeOffset")
    canonical = DAY if only_day else CANONICAL

    def one(value: object) -> object:
        if value is None:
            return null(table, column)
        if not isinstance(value, str):
            raise bad_literal(table, value, edm)
        try:
            stored = parse(value)
        except (ValueError, OverflowError):
            raise bad_literal(table, value, edm) from None
        if stored < _FIRST_DAY:
            raise Refusal(
                400,
                "0x80040239",
                f"The date in '{column.name}' is less than the minimum value supported "
                "by CrmDateTime. Actual value: " + stored + ", Minimum value supported: 01/01/1753 00:00:00",
            )
        return stored

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) != {str}:
            return None
        texts: Sequence[str] = values  # type: ignore[assignment]
        if not all(map(canonical.fullmatch, texts)) or min(texts) < _FIRST_DAY:
            return None
        try:
            for text in set(texts):
                datetime.fromisoformat(text)
        except ValueError:
            return None
        return list(texts)

    return Check(one, quick)
