"""Where the bench keeps its things, and the fixed ports (they stand in the recorded pages)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
WORK = REPOSITORY / "bench" / ".work"
PAGE_ROWS = 5000
CHANGED, UNCHANGED = "changed", "unchanged"
"""The two destinations: one that differs from the source, one that equals it."""
SINK_PORT = 18550


@dataclass(frozen=True, slots=True)
class DataSet:
    """One size of the measured data; everything made for it stands in `folder`."""

    rows: int

    @property
    def whole(self) -> bool:
        """Whether CSV and the unchanged destination are made too; they are not for the largest sizes."""
        return self.rows <= 2_000_000

    @property
    def folder(self) -> Path:
        return WORK / f"rows-{self.rows}"

    @property
    def manifest(self) -> Path:
        """Expected counts, and what the data was made for."""
        return self.folder / "data.json"

    def source(self, kind: str) -> Path:
        return self.folder / f"source.{kind}"

    def destination(self, name: str) -> Path:
        return self.folder / f"destination-{name}.parquet"

    def pages(self, name: str) -> Path:
        return self.folder / "pages" / name


def port(destination: str) -> int:
    """The TLS port of a destination."""
    return {CHANGED: 18543, UNCHANGED: 18544}[destination]


def origin(destination: str) -> str:
    """Scheme, host and port of a destination."""
    return f"https://localhost:{port(destination)}"
