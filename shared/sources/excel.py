"""Excel workbooks (.xlsx, .xlsm), streamed row by row.

A cell is staged as the text of its value: the computed value of a formula, a number to Excel's 15 digits, a date in ISO
form. The value of a merged area stands in each of its cells. Rows without any value are no records.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile
from zlib import error as ZlibError  # noqa: N812 - the module's own name says nothing

from shared.errors import SourceError
from shared.ports import MalformedRow, SourceSink, StagedSource
from shared.sources import names
from shared.sources.spooled_rows import SpooledRows, spooled_rows
from shared.sources.workbook import Area, check_workbook, inspect_sheet

if TYPE_CHECKING:
    from openpyxl.workbook.workbook import Workbook

_MAX_MALFORMED = 100_000
_ERRORS = frozenset(
    ("#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#GETTING_DATA")
)
_DAMAGED = (KeyError, ValueError, TypeError, AttributeError, IndexError, EOFError, BadZipFile, ZlibError, ParseError)
"""What openpyxl raises over a damaged or hostile workbook; it has no error class of its own for that."""
Cells = Sequence[object]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Which sheet (None: the first), and which of its rows."""

    name: str | None = None
    header: bool = True
    skip_rows: int = 0
    skip_footer_rows: int = 0


@dataclass(frozen=True, slots=True)
class ExcelFile:
    """A sheet of a workbook as a source; `spool` is the folder for its rows on their way."""

    path: Path
    wanted: tuple[str, ...]
    sheet: Sheet
    spool: Path = Path(tempfile.gettempdir())

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself, which must not change meanwhile; its rows come through openpyxl."""
        return (self.path,)

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: every value as VARCHAR; a record with an error such as #REF! is malformed."""
        names.require_distinct(self.wanted, where=self._shown)
        with self._opened() as grid:
            header = grid.header() if self.sheet.header else self.wanted
            names.require(self.wanted, [name for name in header if name], where=f"the header of {self._shown}")
            places = [header.index(name) for name in self.wanted]
            with spooled_rows(self.wanted, self.spool, self.path) as rows:
                malformed = _stage(grid.records(len(header)), places, rows, self)
                return StagedSource(records=rows.fill(sink), malformed=tuple(malformed))

    def column_types(self) -> Mapping[str, str]:
        """The header's columns (by position: the schema's) as VARCHAR."""
        with self._opened() as grid:
            header = grid.header() if self.sheet.header else self.wanted
        return dict.fromkeys([name for name in header if name], "VARCHAR")

    def sample(self, size: int) -> tuple[tuple[str, ...], list[Cells]]:
        """The header's names and the first records as they are typed in the sheet, without rows that hold an error."""
        with self._opened() as grid:
            header = grid.header()
            width = len(header)
            rows = [row for _, row in zip(range(size), grid.records(width), strict=False)]
        named = [at for at, name in enumerate(header) if name]
        return tuple(header[at] for at in named), [[row[at] for at in named] for row in rows]

    def sheets(self) -> tuple[str, ...]:
        """The names of the workbook's sheets."""
        with self._workbook() as book:
            return tuple(str(sheet.title) for sheet in book.worksheets)

    @property
    def _shown(self) -> str:
        return f"{self.path}, sheet {self.sheet.name!r}" if self.sheet.name else str(self.path)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[_Grid]:
        with self._workbook() as book:
            sheets: dict[str, Any] = {str(sheet.title): sheet for sheet in book.worksheets}
            if not sheets:
                raise SourceError(f"{self.path} has no sheet with cells")
            chosen = self.sheet.name or next(iter(sheets))
            if chosen not in sheets:
                asked = names.nearest(chosen, list(sheets))
                raise SourceError(f"{self.path} has no sheet {asked}; it has {names.quoted(list(sheets))}")
            sheet = sheets[chosen]
            # The only way to the sheet's own part of the archive. openpyxl is pinned, and a test reads merged cells.
            areas = inspect_sheet(self.path, sheet._worksheet_path)
            sheet.reset_dimensions()  # what a file says of its size may be wrong, and would cut rows off
            yield _Grid(self.path, sheet, areas, self.sheet, self._shown)

    @contextlib.contextmanager
    def _workbook(self) -> Iterator[Workbook]:
        from openpyxl import load_workbook  # dear to start

        with contextlib.ExitStack() as stack:
            with _damage_in_words(self.path):
                check_workbook(self.path)
                file = stack.enter_context(self.path.open("rb"))
                book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
            stack.callback(book.close)
            yield book


@contextlib.contextmanager
def _damage_in_words(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about parts that are of no use here: validation, drawings
            yield
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}; check the file and its rights") from None
    except _DAMAGED as error:
        raise SourceError(
            f"{path} is a damaged workbook, or none ({type(error).__name__}); nothing was taken from it; "
            "open it in Excel and save it again"
        ) from None


def _numbered_rows(sheet: Any, path: Path) -> Iterator[tuple[int, Cells]]:
    """The sheet's rows under their numbers, from 1."""
    with _damage_in_words(path):
        rows = iter(sheet.iter_rows(min_row=1, values_only=True))
    for number in count(1):
        with _damage_in_words(path):
            row = next(rows, None)
        if row is None:
            return
        yield number, row


class _Grid:
    """The rows of a sheet, once from top to bottom."""

    def __init__(self, path: Path, sheet: Any, areas: Sequence[Area], layout: Sheet, shown: str) -> None:
        self._rows = _numbered_rows(sheet, path)
        self._layout, self._shown = layout, shown
        self._waiting = deque(sorted(areas, key=lambda area: area.top))
        self._open: list[tuple[Area, object]] = []
        for _ in range(layout.skip_rows):
            number, row = next(self._rows, (0, ()))
            self._filled(number, row, across=False)

    def header(self) -> tuple[str, ...]:
        """The header's names; a cell without one is an empty text."""
        number, row = next(self._rows, (0, ()))
        cells = self._filled(number, row, across=False)
        header = [(as_text(cell) or "").strip() for cell in cells]
        while header and not header[-1]:
            header.pop()
        twice = next((name for at, name in enumerate(header) if name and name in header[:at]), None)
        if twice is not None:
            raise SourceError(f"{self._shown}: the header names the column {twice!r} twice; name each once")
        if not header:
            raise SourceError(
                f"{self._shown} has no header in row {self._layout.skip_rows + 1}; set `skip_rows`, or `header: false`"
            )
        return tuple(header)

    def records(self, width: int) -> Iterator[Cells]:
        """The rows that hold anything in the first `width` columns, without the footer's."""
        footer: deque[Cells] = deque()
        for number, row in self._rows:
            cells = self._filled(number, row[:width], across=True, width=width)
            if all(cell is None for cell in cells):
                continue
            footer.append(cells)
            if len(footer) > self._layout.skip_footer_rows:
                yield footer.popleft()

    def _filled(self, number: int, row: Sequence[object], *, across: bool, width: int = 0) -> list[object]:
        """The row with the values of the merged areas that it crosses (`across`: also to the right)."""
        cells = [*row, *(None for _ in range(width - len(row)))]
        while self._waiting and self._waiting[0].top <= number:
            area = self._waiting.popleft()
            self._open.append((area, cells[area.left - 1] if area.left <= len(cells) else None))
        if not self._open:
            return cells
        self._open = [(area, value) for area, value in self._open if area.bottom >= number]
        for area, value in self._open:
            last = area.right if across else area.left
            for at in range(area.left - 1, min(last, len(cells))):
                cells[at] = value
        return cells


def _stage(records: Iterator[Cells], places: list[int], rows: SpooledRows, source: ExcelFile) -> list[MalformedRow]:
    """Write the records that hold no error; those that do are given back."""
    malformed: list[MalformedRow] = []
    for number, cells in enumerate(records, 1):
        picked = [cells[at] for at in places]
        wrong = next((at for at, cell in enumerate(picked) if type(cell) is str and cell in _ERRORS), None)
        if wrong is None:
            rows.row([as_text(cell) for cell in picked])
            continue
        rows.gap()
        malformed.append(MalformedRow(number, f"column {source.wanted[wrong]!r} holds the error {picked[wrong]}", ""))
        if len(malformed) > _MAX_MALFORMED:
            raise SourceError(f"{source.path}: more than {_MAX_MALFORMED:,} rows hold errors; check the workbook")
    return malformed


def as_text(value: object) -> str | None:
    """A cell's value as text: 15 digits of a number, as Excel has them; ISO dates, without a time at midnight.

    Source: Excel specifications and limits, Microsoft Support ("number precision: 15 digits").
    """
    if value is None or type(value) is str:
        return value.replace("_x000D_", "\r") if value and "_x000D_" in value else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return format(Decimal(f"{value:.15g}"), "f")
    if isinstance(value, datetime | date | time):
        midnight = isinstance(value, datetime) and value.time() == time()
        return value.isoformat().partition("T")[0] if midnight else value.isoformat()
    if isinstance(value, timedelta):
        hours, seconds = divmod(round(value.total_seconds()), 3600)
        return f"{hours:02d}:{seconds // 60:02d}:{seconds % 60:02d}"
    return str(value)
