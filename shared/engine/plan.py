"""A stored plan: `plan.parquet` (one row per change) and `plan.json` (what the rows mean).

The rows: change (from 1, in the order of applying), action, id, key, row_no, before, after, later, deferred. `after`,
`later` and `deferred` are JSON objects of the members as they will be sent; `before` holds what stood there when the
plan was made, under the names in which Dataverse returns values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import duckdb
import orjson

from shared.csv_file import FORMULA, NUMBER
from shared.engine.same_key import same_key
from shared.engine.taking import Taken
from shared.engine.workspace import Workspace
from shared.errors import RefuseError
from shared.sql import literal
from shared.values.changes import Action
from shared.values.jobs import DestinationBalance, SourceBalance
from shared.values.plans import FieldChange, PlannedChange

ROWS = "plan.parquet"
MANIFEST = "plan.json"
VERSION = 1
"""The form of a stored plan. Raise it when a plan of the form before can no longer be applied as it stands."""
_ACTIONS = {action.value: action for action in Action}
_COLUMNS = "change, action, id::VARCHAR, key, row_no, before, after, later, deferred"
_FORMATS = {".parquet": "(FORMAT parquet, COMPRESSION zstd)", ".csv": "(FORMAT csv, HEADER)", ".jsonl": "(FORMAT json)"}
_SHEET = f"""* REPLACE (CASE
    WHEN regexp_matches(key, {literal(FORMULA)}) AND NOT regexp_matches(key, {literal(NUMBER)}) THEN '''' || key
    ELSE key END AS key)"""
"""A CSV file is opened in spreadsheets: a key is no formula there. The other texts are JSON objects, which are none."""


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """One column that the plan writes: its read name, the navigation properties that bind it, its options' labels.

    `kind` is empty in plans that were stored before it was told.
    """

    name: str
    read_name: str
    label: str
    scale: int | None = None
    navigations: tuple[str, ...] = ()
    options: tuple[tuple[int, str], ...] = ()
    kind: str = ""

    def words(self, value: object) -> str | None:
        """The labels of a choice's numbers; None when the column is no choice, or none of them is known."""
        labels = {str(number): label for number, label in self.options}
        if not labels or value is None or isinstance(value, bool):
            return None
        found = [labels.get(part.strip()) for part in str(value).split(",")]
        return "; ".join(label for label in found if label) or None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a plan's rows mean and where they belong.

    `taken`: what the deletes take along; None in plans that were stored before it was told.
    `ids`: how new ids were made (growing, derived, source). `source` and `destination` are the balances while nothing
    is written; `reported` counts records that break a rule which only reports. `waves` are the changes before which all
    earlier ones must be through.
    """

    job: str
    sync: str
    organization: str
    table: str
    key: tuple[str, ...]
    ids: str
    accent_sensitive: bool
    columns: tuple[PlannedColumn, ...]
    counts: Mapping[str, int]
    source: SourceBalance
    destination: DestinationBalance
    reported: int
    waves: tuple[int, ...] = ()
    taken: Taken | None = None
    version: int = VERSION

    def to_json(self) -> bytes:
        """As it is stored."""
        return orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """As it was stored.

        Raises:
            RefuseError: another build of the program stored it, in another form.
        """
        values: dict[str, Any] = orjson.loads(text)
        if values.get("version", VERSION) != VERSION:
            raise _other_form()
        try:
            columns = tuple(PlannedColumn(**_tuples(column)) for column in values.pop("columns"))
            source, destination = SourceBalance(**values.pop("source")), DestinationBalance(**values.pop("destination"))
            return cls(**_tuples(values), columns=columns, source=source, destination=destination)
        except (KeyError, TypeError):  # members that are missing, or unknown: stored before forms had numbers
            raise _other_form() from None

    def refuse_another(self, organization: str) -> None:
        """Raises `RefuseError` when the plan was made for another environment than that of an organization."""
        if organization != self.organization:
            raise RefuseError(
                f"the plan of job {self.job} was made for another environment than the one at service_url; "
                f"start a new one with `plan {self.sync}`"
            )

    def key_test(self, key: str) -> str:
        """SQL over a column `key`: whether it is this one, as the server compares keys."""
        kinds = {column.name: column.kind for column in self.columns}
        return same_key(key, [kinds.get(name, "") for name in self.key], accent_sensitive=self.accent_sensitive)

    @property
    def read_names(self) -> Mapping[str, str]:
        """From every plain member of a request to the name under which its value is read."""
        return {column.name: column.read_name for column in self.columns if not column.navigations}

    @property
    def binds(self) -> Mapping[str, str]:
        """From every member that binds a lookup to the name under which the lookup's id is read."""
        return {f"{n}@odata.bind": column.read_name for column in self.columns for n in column.navigations}

    def sent_values(self, row: PlanRow) -> dict[str, object]:
        """What a change writes at first, by read name; a bound row as its id."""
        read_names, binds = self.read_names, self.binds
        members: dict[str, object] = {}
        for text in (row.after, row.later):
            members |= orjson.loads(text) if text else {}
        plain = {read_names.get(name, name): value for name, value in members.items() if name not in binds}
        return plain | {binds[name]: _bound_id(value) for name, value in members.items() if name in binds}


def _other_form() -> RefuseError:
    return RefuseError(
        f"the plan was stored by another version of the program, in a form that this one (form {VERSION}) cannot read; "
        "make a new plan: start the sync again"
    )


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _tuple(value) for name, value in values.items()}


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


class PlanRow(NamedTuple):
    """One change as stored. `before`, `after`, `later` and `deferred` are JSON texts. A tuple, as `Write` is.

    `later` is a second step that follows at once; `deferred` one that waits until all rows of the job are there.
    """

    change: int
    action: Action
    id: str
    key: str
    row_no: int | None
    before: str | None
    after: str | None
    later: str | None
    deferred: str | None = None


def store_rows(workspace: Workspace, path: Path) -> int:
    """Write the job's table `plan` to `path` as Parquet; returns the number of changes."""
    numbered = "SELECT rowid + 1 AS change, * FROM plan ORDER BY change"
    return workspace.run(f"COPY ({numbered}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")


class PlanFile:
    """A stored plan, opened for reading."""

    def __init__(self, rows: Path, manifest: Path) -> None:
        self.manifest = Manifest.from_json(manifest.read_bytes())
        self._path = literal(str(rows))
        self._connection = duckdb.connect(config={"threads": 1, "memory_limit": "256MB"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def total(self) -> int:
        """The number of changes."""
        return sum(self.manifest.counts.values())

    def chunks(self, size: int, actions: Collection[Action] = (), *, after: int = 0) -> Iterator[list[PlanRow]]:
        """All changes in order, at most `size` at a time; the file holds them in order and one thread reads it.

        Only those of some actions, and those behind number `after`, when asked.
        """
        cursor = self._connection.cursor()
        behind = f" AND change > {int(after)}" if after else ""
        cursor.execute(f"SELECT {_COLUMNS} FROM {self._path} WHERE {self._tests(actions, None)}{behind}")
        while rows := cursor.fetchmany(size):
            yield list(map(_row, rows))

    def deferring(self, size: int) -> Iterator[list[PlanRow]]:
        """The changes with links to rows that the job creates, in order, at most `size` at a time."""
        cursor = self._connection.cursor()
        cursor.execute(f"SELECT {_COLUMNS} FROM {self._path} WHERE deferred IS NOT NULL")
        while rows := cursor.fetchmany(size):
            yield [_row(row) for row in rows]

    def rows(self, numbers: Collection[int]) -> list[PlanRow]:
        """The changes with these numbers, in order."""
        listed = ", ".join(str(int(number)) for number in numbers)
        return self._select(f"WHERE change IN ({listed})") if listed else []

    def deleting(self, ids: Collection[str]) -> set[str]:
        """Which of these rows the plan deletes. For any thread."""
        listed = ", ".join(map(literal, ids))
        sql = f"SELECT id::VARCHAR FROM {self._path} WHERE {self._tests([Action.DELETE], None)} AND id IN ({listed})"
        return {row[0] for row in self._connection.cursor().execute(sql).fetchall()} if listed else set()

    def sample(self, *, limit: int, actions: Collection[Action] = (), key: str | None = None) -> list[PlannedChange]:
        """Up to `limit` changes, a few of each action first; of these actions or of this key only when given."""
        spread = f"QUALIFY row_number() OVER (PARTITION BY action ORDER BY change) <= {int(limit)}"
        found = self._select(f"WHERE {self._tests(actions, key)}", spread)
        return [self.readable(row) for row in _spread(found, limit)]

    def page(
        self, *, limit: int, after: int = 0, actions: Collection[Action] = (), key: str | None = None
    ) -> list[PlannedChange]:
        """Up to `limit` changes in order, those behind number `after`; of these actions or of this key when given."""
        where = f"WHERE {self._tests(actions, key)} AND change > {int(after)}"
        sql = f"SELECT {_COLUMNS} FROM {self._path} {where} ORDER BY change LIMIT {int(limit)}"
        return [self.readable(_row(row)) for row in self._connection.execute(sql).fetchall()]

    def _tests(self, actions: Collection[Action], key: str | None) -> str:
        """What a change has to be: of these actions, of this key, where they are given."""
        tests = ["TRUE"]
        if actions:
            tests.append(f"action IN ({', '.join(literal(action.value) for action in actions)})")
        if key is not None:
            tests.append(self.manifest.key_test(key))
        return " AND ".join(tests)

    def _select(self, where: str, qualify: str = "") -> list[PlanRow]:
        sql = f"SELECT {_COLUMNS} FROM {self._path} {where} {qualify} ORDER BY change"
        return [_row(row) for row in self._connection.execute(sql).fetchall()]

    def readable(self, row: PlanRow) -> PlannedChange:
        """A change field by field, old → new, under the columns' names; of a deleted row the mapped columns."""
        old = orjson.loads(row.before) if row.before else {}
        new = self.sent_values(row) | self.sent_values(row._replace(after=row.deferred, later=None))
        columns = {column.read_name: column for column in self.manifest.columns}
        shown = [name for name in dict.fromkeys([*old, *new]) if name in columns]
        fields = tuple(
            _field(columns[name], old.get(name), new.get(name))
            for name in shown
            if row.action is not Action.DELETE or old.get(name) is not None
        )
        return PlannedChange(row.change, row.action, row.key, row.id, row.row_no, fields)

    def sent_values(self, row: PlanRow) -> dict[str, object]:
        """What a change writes at first, by read name; a bound row as its id."""
        return self.manifest.sent_values(row)

    def export(self, path: Path) -> int:
        """Write the plan as CSV, JSON lines or Parquet, by the file's ending; returns the number of changes."""
        form = _FORMATS.get(path.suffix.lower())
        if form is None:
            raise RefuseError(f"cannot write a plan as {path.name!r}; name a file that ends in {', '.join(_FORMATS)}")
        columns = _SHEET if path.suffix.lower() == ".csv" else "*"
        sql = f"COPY (SELECT {columns} FROM {self._path} ORDER BY change) TO {literal(str(path))} {form}"
        try:
            rows = self._connection.execute(sql).fetchall()
        except duckdb.IOException:
            raise RefuseError(
                f"{path} cannot be written; see that its folder is there and has room, or name another file"
            ) from None
        return int(rows[0][0])


def _field(column: PlannedColumn, old: object, new: object) -> FieldChange:
    return FieldChange(column.name, old, new, column.words(old), column.words(new))


def _row(values: tuple[Any, ...]) -> PlanRow:
    return PlanRow._make((values[0], _ACTIONS[values[1]], *values[2:]))


def _spread(rows: list[PlanRow], limit: int) -> list[PlanRow]:
    """At most `limit` rows, the actions taking turns."""
    turns: dict[Action, int] = {}
    ranked = []
    for row in rows:
        turns[row.action] = turns.get(row.action, 0) + 1
        ranked.append((turns[row.action], row.change, row))
    chosen = sorted(ranked, key=lambda item: item[:2])[:limit]
    return sorted((row for _, _, row in chosen), key=lambda row: row.change)


def _bound_id(value: object) -> str | None:
    """The id inside `/accounts(…)`; None when the lookup is cleared."""
    return value[value.rindex("(") + 1 : -1] if isinstance(value, str) else None
