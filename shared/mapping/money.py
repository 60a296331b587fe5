"""Money and its currency: one that the definition states for all records, or one that each record names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared.canonical import MONEY_SCALE, form_of
from shared.mapping.cells import Cell, cell
from shared.mapping.compose import Target
from shared.mapping.removals import Note
from shared.sql import literal
from shared.values.tables import Column, ColumnKind, Environment, Table

_CURRENCY = "transactioncurrencyid"


@dataclass(frozen=True, slots=True)
class Money:
    """The money of one table. `code` is the currency that the definition states, if any."""

    table: Table
    environment: Environment
    code: str | None

    def scale(self, column: Column) -> int:
        """Digits that Dataverse keeps; with a currency per record as many as money can have (see `by_record`)."""
        if column.precision_source == 1:
            return self.environment.pricing_precision
        if self.code and self.code in self.environment.currencies:
            return self.environment.currencies[self.code][1]
        return MONEY_SCALE

    def stated(self, targets: Sequence[Target], note: Note) -> list[Target]:
        """The stated currency as a target of its own, unless one is mapped."""
        column = self.table.columns.get(_CURRENCY)
        if self.code is None or column is None or any(target.name == _CURRENCY for target in targets):
            return []
        known = self.environment.currencies
        if self.code not in known:
            listed = ", ".join(sorted(known)) or "none"
            note("destination.currency", f"the environment has no currency {self.code}", f"it has {listed}")
            return []
        return [Target(form_of(column), (), Cell(f"{literal(known[self.code][0])}::UUID"))]

    def by_record(self, targets: list[Target]) -> list[Target]:
        """Where each record names its currency, money is rounded to that currency's precision."""
        currency = next((target for target in targets if target.name == _CURRENCY and target.sources), None)
        if currency is None:
            return targets
        known = self.environment.currencies.values()

        def rounded(target: Target) -> Target:
            column = target.form.column
            if column.kind is not ColumnKind.MONEY or column.precision_source != 2:
                return target
            cases = " ".join(
                f"WHEN {literal(id_)}::UUID THEN ({_at_scale(target, digits)})::{target.form.sql_type}"
                for id_, digits in known
            )
            if not cases:
                return target
            value = f"CASE {currency.cell.value} {cases} ELSE {target.cell.value} END"
            return replace(target, cell=replace(target.cell, value=value))

        return [rounded(target) for target in targets]

    def check(self, targets: Sequence[Target], note: Note) -> None:
        """Money without a currency is a problem."""
        names = [target.name for target in targets if target.form.column.kind is ColumnKind.MONEY]
        if names and not any(target.name == _CURRENCY for target in targets):
            found = f"money is mapped ({', '.join(names)}) but no currency is"
            note("destination.currency", found, f"state `currency`, or map {_CURRENCY}")


def _at_scale(target: Target, digits: int) -> str:
    """SQL of a money cell at another scale: rounded once, from the source's own number."""
    return cell(form_of(target.form.column, money_scale=digits), target.sources[0]).value
