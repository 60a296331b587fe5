"""Money: rounded by the row's currency, and its amount in the base currency."""

from __future__ import annotations

from collections.abc import Sequence

from local.dataverse.tables import MONEY_SCALE, Column, Table
from local.dataverse.values import scaled_all
from local.dataverse.world import Currency, World

RATE_SCALE = 10**10


def stored(
    world: World, table: Table, columns: dict[str, list[object]], currencies: Sequence[object]
) -> dict[str, list[object]]:
    """The stored form of checked money `columns`, with base amounts and exchange rate; one currency id per row."""
    settled = world.settled
    known = [settled.currencies.get(str(c), settled.base) for c in currencies]
    found: dict[str, list[object]] = {"exchangerate": [currency.rate for currency in known]}
    for name, values in columns.items():
        column = table.columns[name]
        amounts = _rounded(world, column, values, known)
        found[name] = amounts
        found[f"{name}_base"] = base(amounts, known, settled.base.precision)
    return found


def base(amounts: Sequence[object], currencies: Sequence[Currency], precision: int) -> list[object]:
    """Stored amounts in the base currency."""
    return [
        None if amount is None else in_base(amount, currency.rate, precision)  # type: ignore[arg-type]
        for amount, currency in zip(amounts, currencies, strict=True)
    ]


def in_base(amount: int, rate: int, precision: int) -> int:
    """A stored amount divided by a stored rate, rounded half away from zero to `precision` digits."""
    unit = 10 ** (MONEY_SCALE - precision) if precision < MONEY_SCALE else 1
    whole = (2 * abs(amount) * RATE_SCALE + rate * unit) // (2 * rate * unit) * unit
    return whole if amount >= 0 else -whole


def _rounded(world: World, column: Column, values: Sequence[object], currencies: Sequence[Currency]) -> list[object]:
    if column.precision_source != 2:
        fixed = column.precision if column.precision_source == 0 else world.settled.pricing_precision
        return scaled_all(values, min(fixed or 0, MONEY_SCALE), MONEY_SCALE)
    precisions = {min(c.precision, MONEY_SCALE) for c in currencies}
    if len(precisions) == 1:
        return scaled_all(values, precisions.pop(), MONEY_SCALE)
    return [
        scaled_all((value,), min(currency.precision, MONEY_SCALE), MONEY_SCALE)[0]
        for value, currency in zip(values, currencies, strict=True)
    ]
