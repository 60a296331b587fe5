"""The answer of a COPY, block by block: psycopg gives it row by row, and its way to each costs more than the row.

Source: libpq, Functions Associated with the COPY Command (PostgreSQL 17); psycopg 3, `Connection.wait`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg
    from psycopg.waiting import Ready, Wait

_BLOCK_BYTES = 1 << 20


class Copied:
    """The rows of a COPY that a cursor has begun; `rows` says how many they were, at the end."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.rows: int | None = None

    def blocks(self) -> Iterator[bytearray]:
        """Whole rows, about a megabyte at a time. Raises `psycopg.Error`, also when the server breaks off."""
        while self.rows is None:
            yield self._connection.wait(self._block())

    def _block(self) -> Generator[Wait, Ready | int, bytearray]:
        from psycopg.waiting import Wait

        waiting, server = bytearray(), self._connection.pgconn
        while len(waiting) < _BLOCK_BYTES:
            size, row = server.get_copy_data(1)
            if size > 0:
                waiting += row
            elif size < 0:
                yield from self._end()
                break
            else:
                while not (yield Wait.R):
                    pass
                server.consume_input()
        return waiting

    def _end(self) -> Generator[Wait, Ready | int]:
        from psycopg import errors, pq
        from psycopg.waiting import Wait

        server, failed = self._connection.pgconn, None
        while True:
            while server.is_busy():
                while not (yield Wait.R):
                    pass
                server.consume_input()
            result = server.get_result()
            if result is None:
                break
            if result.status == pq.ExecStatus.COMMAND_OK:
                self.rows = result.command_tuples or 0
            else:
                failed = result
        if failed is not None:
            raise errors.error_from_result(failed, encoding=self._connection.info.encoding)
