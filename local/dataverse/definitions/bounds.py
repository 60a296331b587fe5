"""What a column holds when its definition does not say: ranges, digits, lengths; and how far a definition may go.

Source: Microsoft Learn, "Column data types" and the attribute metadata types it links (2025).
"""

from __future__ import annotations

from decimal import Decimal

from local.dataverse.tables import MONEY_SCALE, Column, Kind

_INT64 = Decimal(2**63 - 1)
WIDEST: dict[Kind, tuple[Decimal, Decimal]] = {
    Kind.INTEGER: (Decimal(-(2**31)), Decimal(2**31 - 1)),
    Kind.BIGINT: (Decimal(-(2**63)), Decimal(2**63 - 1)),
    Kind.DECIMAL: (Decimal(-100_000_000_000), Decimal(100_000_000_000)),
    Kind.DOUBLE: (Decimal(-100_000_000_000), Decimal(100_000_000_000)),
    Kind.MONEY: (Decimal(-922_337_203_685_477), Decimal(922_337_203_685_477)),
}
"""The smallest and the largest value that a column of a kind can hold."""
PRECISION = {Kind.DECIMAL: 2, Kind.DOUBLE: 2, Kind.MONEY: 2}
MOST_PRECISION = {Kind.DECIMAL: 10, Kind.DOUBLE: 5, Kind.MONEY: 4}
LENGTH = {Kind.TEXT: 100, Kind.MEMO: 2000}
MOST_LENGTH = {Kind.TEXT: 4000, Kind.MEMO: 1_048_576}
MAX_SIZE_KB = {Kind.FILE: 32_768, Kind.IMAGE: 10_240}
MOST_SIZE_KB = {Kind.FILE: 10_485_760, Kind.IMAGE: 30_720}
MOST_KEYS, MOST_KEY_COLUMNS, MOST_KEY_BYTES = 10, 16, 900
KEY_BYTES = {
    Kind.DECIMAL: 17,
    Kind.INTEGER: 4,
    Kind.TEXT: 0,
    Kind.DATETIME: 8,
    Kind.LOOKUP: 16,
    Kind.CUSTOMER: 16,
    Kind.CHOICE: 4,
}
"""The kinds of column that a key may have, and their bytes; a text has two for each character."""


def key_bytes(column: Column) -> int:
    """How much a column adds to a key."""
    return KEY_BYTES[column.kind] or 2 * (column.max_length or 0)


def too_many_digits(kind: Kind, low: Decimal, high: Decimal, precision: int | None) -> bool:
    """Whether a decimal or money column with these bounds needs more digits than are kept."""
    if kind not in (Kind.DECIMAL, Kind.MONEY):
        return False
    scale = MONEY_SCALE if kind is Kind.MONEY else precision or 0
    return max(abs(low), abs(high)).scaleb(scale) > _INT64
