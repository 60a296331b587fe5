"""Whether the source's files stayed as they were while a job read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shared.errors import SourceError

_Mark = tuple[int, int, int]
"""Size, time of change in nanoseconds, and the number of the file: another file under the same name has another."""


@dataclass(frozen=True, slots=True)
class SteadyFiles:
    """Files as they were when a job began to read them."""

    marks: tuple[tuple[Path, _Mark | None], ...]

    @classmethod
    def of(cls, files: Sequence[Path]) -> SteadyFiles:
        """Look at the files now."""
        return cls(tuple((path, _mark(path)) for path in files))

    @contextmanager
    def while_read(self) -> Iterator[None]:
        """Look again when the block is done, and before it says that a file cannot be read.

        Raises:
            SourceError: a file was written, replaced or deleted meanwhile.
        """
        try:
            yield
        except SourceError:
            self._confirm()
            raise
        self._confirm()

    def _confirm(self) -> None:
        for path, mark in self.marks:
            if _mark(path) != mark:
                raise SourceError(
                    f"{path} changed while it was read; nothing was written. "
                    "Hand over a file that nobody writes to, or run again when it is complete"
                )


def _mark(path: Path) -> _Mark | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
