"""State and status: they belong together, and a row is always born active."""

from __future__ import annotations

from collections.abc import Sequence

from local.dataverse.refusals import Refusal, RowRefusal
from local.dataverse.tables import Table


def default_status(table: Table, state: int) -> int:
    """The first status reason of a state."""
    return next((o.value for o in table.columns["statuscode"].options if o.state == state), 0)


def at_birth(
    table: Table, states: Sequence[object] | None, statuses: Sequence[object] | None, count: int
) -> dict[str, list[object]]:
    """State and status of new rows: a wish to be born inactive is not honoured."""
    if "statecode" not in table.columns:
        return {}
    default = default_status(table, 0)
    if statuses is None:
        return {"statecode": [0] * count, "statuscode": [default] * count}
    found: list[object] = []
    for index, status in enumerate(statuses):
        inactive = bool(states and states[index])
        if status is not None and not inactive and _state_of(table, status) != 0:
            raise RowRefusal(index, _no_pair(table, status, 0, None))
        found.append(default if status is None or inactive else status)
    return {"statecode": [0] * count, "statuscode": found}


def after_update(
    table: Table,
    ids: Sequence[str],
    states: Sequence[object] | None,
    statuses: Sequence[object] | None,
    present: Sequence[tuple[object, object]],
) -> dict[str, list[object]]:
    """State and status of updated rows; a state alone brings its default status."""
    found: dict[str, list[object]] = {"statecode": [], "statuscode": []}
    for index, (old_state, old_status) in enumerate(present):
        state = old_state if states is None else states[index]
        status = statuses[index] if statuses is not None else None
        if status is None:
            status = old_status if state == old_state else default_status(table, int(str(state)))
        if _state_of(table, status) != state:
            raise RowRefusal(index, _no_pair(table, status, state, ids[index]))
        found["statecode"].append(state)
        found["statuscode"].append(status)
    return found


def _state_of(table: Table, status: object) -> int | None:
    return next((o.state for o in table.columns["statuscode"].options if o.value == status), None)


def _no_pair(table: Table, status: object, state: object, row_id: str | None) -> Refusal:
    label = next((o.label for o in table.columns["statecode"].options if o.value == state), str(state))
    where = f" with Id {row_id}" if row_id else ""
    return Refusal(
        400,
        "0x80048408",
        f"{status} is not a valid status code for state code {table.schema_name}State.{label} on {table.name}{where}.",
    )
