"""One column's check: a value alone, and a whole column of rows at once.

`one` looks at a single value and refuses it; `quick` takes a column of values in one go and gives up (None) as soon as
something is unusual; then `one` finds the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.tables import Column

One = Callable[[object], object]
Quick = Callable[[Sequence[object]], "list[object] | None"]


@dataclass(frozen=True, slots=True)
class Check:
    """How one column's values are checked and stored."""

    one: One
    quick: Quick

    def all(self, values: Sequence[object]) -> list[object]:
        """The stored values.

        Raises:
            RowRefusal: with the first row whose value is refused; payload problems come before others.
        """
        done = self.quick(values)
        return self._each(values) if done is None else done

    def _each(self, values: Sequence[object]) -> list[object]:
        stored: list[object] = []
        worst: RowRefusal | None = None
        for index, value in enumerate(values):
            try:
                stored.append(self.one(value))
            except Refusal as refusal:
                found = RowRefusal(index, refusal)
                worst = found if worst is None or found.rank < worst.rank else worst
        if worst is not None:
            raise worst
        return stored


def null(table: str, column: Column) -> object:
    """Null, where the column takes it.

    Raises:
        Refusal: the column is required by the system.
    """
    if column.required == "SystemRequired":
        raise Refusal(400, "0x80040200", f"The required field '{column.name}' of '{table}' is missing or null.")
    return None
