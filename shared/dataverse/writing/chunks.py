"""Cuts writes into requests: by number, by bytes, and never one row twice in the same request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shared.values.changes import Write

MOST_BYTES = 16 * 1024 * 1024
"""Well below what plug-in steps may be given (116.85 MB) and what the service is said to take (128 MB)."""

_FRAME_BYTES = 400
"""What stands around one body: its id, type and headers."""


def chunks(writes: Sequence[Write], positions: Sequence[int], *, most: int, most_bytes: int) -> Iterator[list[int]]:
    """Runs of positions into `writes`, in order. A row that comes again starts a new run.

    UpdateMultiple applies the first of two updates of one row and drops the second without a word.
    """
    chunk: list[int] = []
    rows: set[str] = set()
    used = 0
    for position in positions:
        write = writes[position]
        size = len(write.body) + _FRAME_BYTES
        if chunk and (len(chunk) >= most or used + size > most_bytes or write.row_id in rows):
            yield chunk
            chunk, rows, used = [], set(), 0
        chunk.append(position)
        rows.add(write.row_id)
        used += size
    if chunk:
        yield chunk


def halves(positions: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """The first and the second half."""
    middle = len(positions) // 2
    return positions[:middle], positions[middle:]
