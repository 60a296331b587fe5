"""What a sync's definition means for messages: how they are read, typed and judged."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.canonical import key_form, key_text
from shared.columns import TypedColumn, TypedSource, compose
from shared.definitions.listener import Listener
from shared.definitions.schema_column import SchemaColumn
from shared.definitions.sync import SyncDefinition
from shared.engine.preparing import record_filter
from shared.errors import DefinitionError
from shared.formats import Shape
from shared.lanes import plain_number
from shared.mapping.build import Metadata, Prepared, prepare
from shared.mapping.compose import Mapping as Composed
from shared.reconcile import present_column
from shared.sql import identifier
from shared.values.events import Event, Operation
from shared.values.problems import Problem

OPERATION = "dynsync operation"
"""The column of the staged events that holds INSERT or DELETE; no source column has a blank and this name."""
DELETES = f"(SELECT * FROM source WHERE {identifier(OPERATION)} = 'DELETE')"
UPSERTS = f"(SELECT * FROM source WHERE {identifier(OPERATION)} <> 'DELETE')"
LEDGER_KEY, VERSION = "!ledger", "!version"
_DIGEST = 40


@dataclass(frozen=True, slots=True)
class Hearing:
    """One definition, heard as messages."""

    definition: SyncDefinition
    variables: Mapping[str, str]

    @property
    def listener(self) -> Listener:
        """The listener's part of the definition.

        Raises:
            DefinitionError: it has none.
        """
        if self.definition.listener is None:
            found = Problem("listener", "is missing, but messages come for this sync", "add the part, or stop sending")
            raise DefinitionError(self.definition.name, [found])
        return self.definition.listener

    @property
    def read_columns(self) -> list[SchemaColumn]:
        """The source columns that messages hold."""
        return [column for column in self.definition.source.columns if not column.calculated]

    @property
    def shape(self) -> Shape:
        """How messages are read. Where the listener names no action, the records' own action column counts."""
        listener = self.listener
        action = listener.action
        if action is None and listener.format in ("json", "cloudevents"):
            column = self.definition.source.column(self.definition.behaviour.action_column or "")
            action = column.name if column else None
        names = tuple(dict.fromkeys(column.name for column in self.read_columns))
        return Shape(listener.format, names, action, frozenset(listener.ignore_tags))

    @property
    def staged_names(self) -> dict[str, str]:
        """Each read column's name in the staged table, by its label."""
        return {column.label: column.name for column in self.read_columns}

    # ---- typing

    def typed(self, relation: str, *, deletes: bool = False) -> TypedSource:
        """The typed query over staged events.

        A delete tells no more than its key, so nothing is mandatory in one, and no filter keeps it out.
        """
        columns = [self._relaxed(column) if deletes else column for column in self.definition.source.columns]
        staged = dict.fromkeys(self.shape.columns, "VARCHAR")
        staged |= {f"{name}?": "BOOLEAN" for name in self.shape.columns}
        return compose(
            [*columns, SchemaColumn(name=OPERATION)],
            relation=relation,
            staged={**staged, OPERATION: "VARCHAR"},
            variables=self.variables,
            time_zone=self.definition.source.time_zone,
            record_filter=None if deletes else self._filter,
        )

    @staticmethod
    def _relaxed(column: SchemaColumn) -> SchemaColumn:
        return column.model_copy(update={"mandatory": False})

    @property
    def _filter(self) -> str | None:
        filters = [text for text in (record_filter(self.definition), self.listener.filter) if text]
        return " AND ".join(f"({text})" for text in filters) or None

    # ---- mapping

    def prepared(self, metadata: Metadata, typed: TypedSource) -> Prepared:
        """The mapping made ready, with the operation as the action and the version watched.

        Raises:
            DefinitionError: it does not fit Dataverse's metadata.
        """
        columns = {column.name: column for column in typed.columns}
        behaviour = self.definition.behaviour.model_copy(update={"action_column": OPERATION})
        heard = self.definition.model_copy(update={"behaviour": behaviour})
        prepared, problems = prepare(heard, metadata, columns)
        if prepared is None:
            raise DefinitionError(self.definition.name, problems)
        version = version_column(self.listener, typed)
        watched = prepared.mapping.watched
        if version is not None and version not in watched:
            watched = (*watched, version)
        return replace(prepared, mapping=replace(prepared.mapping, watched=watched))

    # ---- keys

    def key_texts(self, event: Event) -> list[str]:
        """The texts of the record's key, in the listener's order; a number as it stands in a key, "" for none."""
        names, numbers = self.staged_names, {c.label for c in self.read_columns if c.type == "number"}
        told = {label: event.record.get(names.get(label, label)) or "" for label in self.listener.key}
        return [plain_number(text) if label in numbers else text for label, text in told.items()]

    def waiting_key(self, event: Event) -> str | None:
        """A digest of the record that an event is about; None when its key is not whole.

        Coarser than the ledger's: keys that differ in accents only wait for each other, which does no harm.
        """
        told = self.key_texts(event)
        if not all(told):
            return None
        texts = [key_text(text.strip(), accent_sensitive=False) for text in told]
        return hashlib.sha256("\x1f".join(texts).encode()).hexdigest()[:_DIGEST]

    def needed_for_delete(self, prepared: Prepared) -> frozenset[str]:
        """The staged columns that a delete is read for: its key and its version."""
        calculated = {column.label for column in self.definition.source.columns if column.calculated}
        feeding = {s.name for t in prepared.mapping.targets if t.key for s in t.sources}
        if feeding & calculated:
            return frozenset(self.shape.columns)
        version = {self.listener.version} if self.listener.version else set()
        wanted = {*self.listener.key, *feeding, *version}
        return frozenset(name for label, name in self.staged_names.items() if label in wanted)


def version_column(listener: Listener, typed: TypedSource) -> TypedColumn | None:
    """The version's column; of a date the instant, so that clock changes do not disturb the order."""
    if listener.version is None:
        return None
    column = next(one for one in typed.columns if one.name == listener.version)
    return replace(column, name=f"{column.name}!utc") if column.type == "date" else column


def version_sql(column: TypedColumn | None) -> str:
    """SQL over `wanted`: the version as a text that sorts as versions do, empty where there is none."""
    if column is None:
        return "''"
    return f"coalesce({_sortable(column.type, identifier(f'source.{column.name}'))}, '')"


def ledger_key_sql(mapping: Composed, alias: str, *, present: bool = False) -> str:
    """SQL over `wanted` or `present`: a digest of the key as the server sees it, the same in batch and real time."""
    names = [form.name for form in mapping.key_forms]
    told = [present_column(mapping, n, alias) if present else f"{alias}.{identifier(n)}" for n in names]
    forms = [
        key_form(form, sql, accent_sensitive=mapping.accent_sensitive) + "::VARCHAR"
        for form, sql in zip(mapping.key_forms, told, strict=True)
    ]
    return f"substr(sha256(concat_ws(chr(31), {', '.join(forms)})), 1, {_DIGEST})"


def _sortable(type_: str, value: str) -> str:
    """SQL of a text that sorts as the values do."""
    if type_ == "number":
        digits = f"lpad(abs({value})::DECIMAL(38,10)::VARCHAR, 40, '0')"
        return f"CASE WHEN {value} >= 0 THEN 'p' || {digits} ELSE 'n' || translate({digits}, '{_UP}', '{_DOWN}') END"
    if type_ == "date":
        return f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%f')"
    return f"'t' || {value}::VARCHAR"


_UP, _DOWN = "0123456789", "9876543210"


def operation_word(event: Event) -> str:
    """What the operation's column says: an upsert creates what is not there, as an insert does."""
    return "DELETE" if event.operation is Operation.DELETE else "INSERT"


def staged_rows(events: Sequence[Event], names: Sequence[str], needed: frozenset[str]) -> list[tuple[object, ...]]:
    """The events as rows of the staged table: row_no, texts, whether absent, operation. Deletes tell only `needed`."""
    rows: list[tuple[object, ...]] = []
    for number, event in enumerate(events, start=1):
        keep = needed if event.operation is Operation.DELETE else None
        record = event.record if keep is None else {n: v for n, v in event.record.items() if n in keep}
        texts = [record.get(name) for name in names]
        rows.append((number, *texts, *(name not in record for name in names), operation_word(event)))
    return rows
