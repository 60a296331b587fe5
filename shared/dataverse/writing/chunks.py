"""Cuts writes into requests: by number, by bytes, and never one row twice in the same request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from shared.dataverse.payloads import Columns, picked

MOST_BYTES = 16 * 1024 * 1024
"""Well below what plug-in steps may be given (116.85 MB) and what the service is said to take (128 MB)."""

_FRAME_BYTES = 400
"""What stands around one body: its id, type and headers."""


def chunks(
    columns: Columns, positions: Sequence[int], *, most: Callable[[int], int], most_bytes: int
) -> Iterator[Sequence[int]]:
    """Runs of positions into the writes, in order. A row that comes again starts a new run.

    `most` says how many of the rows that are left go into the next run. UpdateMultiple applies the first of two updates
    of one row and drops the second without a word.
    """
    start = 0
    while start < len(positions):
        chunk = _next_run(columns, positions[start : start + most(len(positions) - start)], most_bytes)
        start += len(chunk)
        yield chunk


def _next_run(columns: Columns, positions: Sequence[int], most_bytes: int) -> Sequence[int]:
    row_ids, bodies = picked(columns.row_ids, positions), picked(columns.bodies, positions)
    if sum(map(len, bodies)) + _FRAME_BYTES * len(positions) <= most_bytes and len(set(row_ids)) == len(positions):
        return positions
    rows: set[str] = set()
    used = 0
    for number, (row_id, body) in enumerate(zip(row_ids, bodies, strict=True)):
        used += len(body) + _FRAME_BYTES
        if number and (used > most_bytes or row_id in rows):
            return positions[:number]
        rows.add(row_id)
    return positions


def halves(positions: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """The first and the second half."""
    middle = len(positions) // 2
    return positions[:middle], positions[middle:]
