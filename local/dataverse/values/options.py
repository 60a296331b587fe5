"""Checks of options: two options, choice, state, status, choices."""

from __future__ import annotations

import re
from collections.abc import Sequence

from local.dataverse.refusals import Refusal, bad_literal, invalid
from local.dataverse.tables import Column
from local.dataverse.values.check import Check, null

MAX_CHOICES = 150


def boolean(table: str, column: Column) -> Check:
    """The check of a boolean column."""

    def one(value: object) -> object:
        if value is None:
            return null(table, column)
        if not isinstance(value, bool):
            raise bad_literal(table, value, "Edm.Boolean")
        return value

    def quick(values: Sequence[object]) -> list[object] | None:
        return list(values) if set(map(type, values)) <= {bool} else None

    return Check(one, quick)


def choice(table: str, column: Column) -> Check:
    """The check of a choice column."""
    allowed = {option.value for option in column.options}
    shown = ",".join(str(option.value) for option in column.options)

    def one(value: object) -> object:
        if value is None:
            return null(table, column)
        if type(value) is not int or not -(2**31) <= value < 2**31:
            raise bad_literal(table, value, "Edm.Int32")
        if value not in allowed:
            text = f"The value {value} of '{column.name}' on record of type '{table}' is outside the valid range."
            raise invalid("0x8004431a", f"{text} Accepted Values: {shown}")
        return value

    def quick(values: Sequence[object]) -> list[object] | None:
        return list(values) if set(map(type, values)) == {int} and set(values) <= allowed else None

    return Check(one, quick)


def choices(table: str, column: Column) -> Check:
    """The check of a column of several choices."""
    single = choice(table, column).one

    def one(value: object) -> object:
        if value is None or value == "":
            return null(table, column)
        if not isinstance(value, str):
            raise bad_literal(table, value, "Edm.String")
        parts = [part.strip() for part in value.split(",")]
        if not all(re.fullmatch(r"-?[0-9]{1,10}", part) for part in parts):
            raise bad_literal(table, value, "Edm.Int32")
        numbers = sorted({int(part) for part in parts})
        if len(numbers) > MAX_CHOICES:
            raise Refusal(400, "0x80050222", f"'{column.name}' takes at most {MAX_CHOICES} choices.")
        return ",".join(str(single(number)) for number in numbers)

    known: dict[object, object] = {}

    def quick(values: Sequence[object]) -> list[object] | None:
        if set(map(type, values)) != {str} or len(distinct := set(values)) > 200:
            return None
        fresh = distinct - known.keys()
        if fresh:
            try:
                known.update({value: one(value) for value in fresh})
            except Refusal:
                return None
        found = [known[value] for value in values]
        if len(known) > 1000:
            known.clear()
        return found

    return Check(one, quick)
