"""Cuts writes into requests: by number, by bytes, and never one row twice in the same request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from shared.values.changes import Write

MOST_BYTES = 16 * 1024 * 1024
"""Well below what plug-in steps may be given (116.85 MB) and what the service is said to take (128 MB)."""

_FRAME_BYTES = 400
"""What stands around one body: its id, type and headers."""


def chunks(
    writes: Sequence[Write], positions: Sequence[int], *, most: Callable[[int], int], most_bytes: int
) -> Iterator[list[int]]:
    """Runs of positions into `writes`, in order. A row that comes again starts a new run.

    `most` says how many of the rows that are left go into the next run. UpdateMultiple applies the first of two updates
    of one row and drops the second without a word.
    """
    start = 0
    while start < len(positions):
        chunk = _next_run(writes, positions[start : start + most(len(positions) - start)], most_bytes)
        start += len(chunk)
        yield chunk


def _next_run(writes: Sequence[Write], positions: Sequence[int], most_bytes: int) -> list[int]:
    sizes = sum(len(writes[position].body) for position in positions) + _FRAME_BYTES * len(positions)
    if sizes <= most_bytes and len({writes[position].row_id for position in positions}) == len(positions):
        return list(positions)
    rows: set[str] = set()
    used = 0
    for number, position in enumerate(positions):
        write = writes[position]
        used += len(write.body) + _FRAME_BYTES
        if number and (used > most_bytes or write.row_id in rows):
            return list(positions[:number])
        rows.add(write.row_id)
    return list(positions)


def halves(positions: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """The first and the second half."""
    middle = len(positions) // 2
    return positions[:middle], positions[middle:]
