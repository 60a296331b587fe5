"""Column values: from JSON to what is stored, with the service's checks."""

from __future__ import annotations

from collections.abc import Callable

from local.dataverse.tables import Column, Kind
from local.dataverse.values import binaries, numbers, options, texts
from local.dataverse.values.check import Check
from local.dataverse.values.forms import GUID, day, decimal_of, moment, scaled, scaled_all

__all__ = ["GUID", "Check", "check_of", "day", "decimal_of", "moment", "scaled", "scaled_all"]


def check_of(table: str, column: Column) -> Check:
    """The check of one column of a table."""
    makers: dict[Kind, Callable[[str, Column], Check]] = {
        Kind.TEXT: texts.text,
        Kind.MEMO: texts.text,
        Kind.INTEGER: numbers.whole,
        Kind.BIGINT: numbers.whole,
        Kind.DECIMAL: numbers.decimal,
        Kind.MONEY: numbers.money,
        Kind.DOUBLE: numbers.double,
        Kind.BOOLEAN: options.boolean,
        Kind.DATETIME: texts.moment,
        Kind.CHOICE: options.choice,
        Kind.STATE: options.choice,
        Kind.STATUS: options.choice,
        Kind.CHOICES: options.choices,
        Kind.UNIQUEIDENTIFIER: texts.guid,
        Kind.IMAGE: binaries.image,
    }
    return makers[column.kind](table, column)
