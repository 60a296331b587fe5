"""JSON files: a list of objects in a document, or one object a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from shared.errors import SourceError
from shared.json_text import ABSENT, Number, Twice, TwiceError, reach, storable, text_of
from shared.ports import MalformedRow, SourceSink, StagedSource
from shared.sources import names
from shared.sources.json_records import Broken, JsonRecords
from shared.sources.text_file import TextFile

_BATCH = 5_000
_BATCH_CHARS = 16 << 20
_SAMPLE = 1_000
_MAX_MALFORMED = 100_000


@dataclass(frozen=True, slots=True)
class JsonFile:
    """A JSON file as a source. `records`: dotted way to the list; `format`: array, lines or auto."""

    path: Path
    wanted: tuple[str, ...]
    format: str
    records: str | None
    spool: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file itself."""
        return (self.path,)

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`: every value as VARCHAR, and for each column whether it is absent (`"<name>?"`).

        A number keeps its digits, an object or list is JSON text. A name with dots that is no member of its own reaches
        into objects.
        """
        names.require_distinct(self.wanted, where=str(self.path))
        staging = _Staging(self.path, self.wanted, sink)
        for record in self.read():
            staging.add(record)
        return staging.finish()

    def column_types(self) -> Mapping[str, str]:
        """The members of the first 1,000 records, all VARCHAR."""
        found: dict[str, str] = {}
        for record in islice(self.read(), _SAMPLE):
            if isinstance(record, dict):
                found |= dict.fromkeys(record, "VARCHAR")
        return found

    def read(self) -> Iterator[object]:
        """Each record as read: a dict of members, or what stands in its place (a `Broken` for a broken line)."""
        text = TextFile(path=self.path, encoding="utf-8", spool=self.spool)
        with text.readable() as readable, readable.open(encoding="utf-8-sig", newline="\n") as file:
            yield from JsonRecords(format=self.format, path=self.records, shown=self.path).read(file)


class _Staging:
    """Turns records into rows of the sink, batch by batch."""

    def __init__(self, path: Path, wanted: tuple[str, ...], sink: SourceSink) -> None:
        self._path, self._wanted, self._sink = path, wanted, sink
        self._ways = [(name, name.split(".") if "." in name else None) for name in wanted]
        self._rows: list[tuple[object, ...]] = []
        self._size = 0
        self._number = 0
        self._records = 0
        self._malformed: list[MalformedRow] = []
        self._found = False
        self._members: dict[str, None] = {}
        marks = {f"{name}?": "BOOLEAN" for name in wanted}
        sink.create({"row_no": "BIGINT"} | dict.fromkeys(wanted, "VARCHAR") | marks)

    def add(self, record: object) -> None:
        """Stage one record, or note why it cannot be."""
        self._number += 1
        if not isinstance(record, dict):
            self._set_aside(*_fault(record))
            return
        try:
            values = self._values(record)
            texts = [None if value is ABSENT else text_of(value) for value in values]
        except (TwiceError, RecursionError) as error:
            self._set_aside(str(error) if isinstance(error, TwiceError) else "nested too deeply", "")
            return
        whole = "".join(filter(None, texts))
        if not storable(whole):
            self._set_aside("a text holds a NUL character or half of a surrogate pair", "")
            return
        absent = [value is ABSENT for value in values]
        self._note(record, absent)
        self._rows.append((self._number, *texts, *absent))
        self._size += len(whole)
        if len(self._rows) >= _BATCH or self._size > _BATCH_CHARS:
            self._flush()

    def _values(self, record: dict[str, object]) -> list[object]:
        if type(record) is Twice:
            raise TwiceError(record)
        get = record.get
        return [get(name, ABSENT) if way is None else reach(record, name, way) for name, way in self._ways]

    def finish(self) -> StagedSource:
        """Stage what waits. Raises SourceError when no record has any of the schema's columns."""
        self._flush()
        if self._records and not self._found:
            names.require(self._wanted, list(self._members), where=f"every record of {self._path}")
        return StagedSource(records=self._records, malformed=tuple(self._malformed))

    def _note(self, record: Mapping[str, object], absent: Iterable[bool]) -> None:
        self._records += 1
        if not self._found:
            self._found = not all(absent)
            self._members |= dict.fromkeys(islice(record, 50))

    def _set_aside(self, reason: str, text: str) -> None:
        if len(self._malformed) >= _MAX_MALFORMED:
            raise SourceError(f"{self._path}: more than {_MAX_MALFORMED:,} records are malformed; check the file")
        self._malformed.append(MalformedRow(self._number, reason, text))

    def _flush(self) -> None:
        if self._rows:
            self._sink.append(self._rows)
            self._rows, self._size = [], 0


def _fault(record: object) -> tuple[str, str]:
    if isinstance(record, Broken):
        return record.reason, record.text
    kind = {Number: "a number", str: "a text", bool: "true or false", list: "a list"}.get(type(record), "null")
    return f"the record is {kind}, not an object", _shown(record)


def _shown(record: object) -> str:
    try:
        return (text_of(record) or "null")[:1000]
    except (TwiceError, RecursionError):
        return ""
