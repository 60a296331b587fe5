"""A definition's mappings held against Dataverse's metadata: a `Mapping` ready to compose, and every problem found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace

from shared.canonical import Form, form_of
from shared.columns import TypedColumn
from shared.definitions.mapping import ColumnMapping, EntityFromColumn, Link
from shared.definitions.sync import SyncDefinition
from shared.expressions import Expression, ExpressionError, parse
from shared.expressions.probe import result_type
from shared.mapping.cells import accepted_types, cell
from shared.mapping.compose import Mapping, Target
from shared.mapping.deferring import undeferrable
from shared.mapping.links import LinkSide, LinkTable, link_cell
from shared.mapping.money import Money
from shared.mapping.removals import Removal, removal_of
from shared.mapping.states import note_closing, with_states
from shared.sql import identifier
from shared.values.problems import Problem, Severity
from shared.values.tables import Column, ColumnKind, Environment, Table


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known of the environment: the destination's table and every table that a link may look into."""

    table: Table
    linked: MappingOf[str, Table]
    environment: Environment


@dataclass(frozen=True, slots=True)
class Prepared:
    """A mapping made ready, and what the job must read beside it.

    `extra` are forms that are read from the destination but not mapped (for the `changed` condition and for
    removals); `linked` maps each link's number to the tables it looks into.
    """

    mapping: Mapping
    extra: tuple[Form, ...]
    when: Expression | None
    removal: Removal
    linked: MappingOf[int, tuple[Table, ...]]


@dataclass(slots=True)
class Builder:
    """Collects targets and problems while the mappings are gone through."""

    definition: SyncDefinition
    metadata: Metadata
    columns: MappingOf[str, TypedColumn]
    problems: list[Problem] = field(default_factory=list)
    linked: dict[int, tuple[Table, ...]] = field(default_factory=dict)

    @property
    def money(self) -> Money:
        """The destination's money."""
        return Money(self.metadata.table, self.metadata.environment, self.definition.destination.currency)

    def note(self, path: str, found: str, remedy: str = "", severity: Severity = Severity.ERROR) -> None:
        """Add a problem."""
        self.problems.append(Problem(path, found, remedy, severity))

    def target(self, number: int, mapping: ColumnMapping) -> Target | None:
        """One mapping as a target, or None when it has a problem."""
        path = f"mappings.{number}"
        column = self._column(f"{path}.target", mapping.target)
        sources = [self.columns[name] for name in mapping.sources if name in self.columns]
        if column is None or len(sources) < len(mapping.sources):
            return None
        form = form_of(column, money_scale=self.money.scale(column))
        link = self._link(f"{path}.link", number, mapping.link, column, sources) if mapping.link else None
        if mapping.link and link is None:
            return None
        if link is None and not self._fits(path, column, form, sources[0]):
            return None
        on_null = mapping.on_null or self.definition.destination.on_null
        made = link_cell(link) if link else cell(form, sources[0])
        key = mapping.target in sync_key(self.definition)
        feeding = (*sources, link.entity_source) if link and link.entity_source else tuple(sources)
        if on_null == "keep":  # a null is left as it is; only Dataverse can say whether a new row may lack the value
            form = replace(form, column=replace(column, required=False))
        return Target(form, feeding, made, link, keep_null=on_null == "keep", key=key)

    def _column(self, path: str, name: str) -> Column | None:
        columns = self.metadata.table.columns
        column = columns.get(name)
        if column is None:
            self.note(path, f"table {self.metadata.table.name} has no column {name!r}", nearest(name, columns))
            return None
        if column.kind is ColumnKind.UNSUPPORTED:
            self.note(path, f"{name} is of type {column.type_name}, which cannot be synced", "remove the mapping")
            return None
        if not column.primary_id and not (column.creatable or column.updatable):
            self.note(path, f"{name} is not writable: Dataverse computes it", "remove the mapping")
            return None
        return column

    def _fits(self, path: str, column: Column, form: Form, source: TypedColumn) -> bool:
        if column.is_lookup and len(column.targets) != 1:
            tables = ", ".join(target.entity for target in column.targets)
            self.note(path, f"{column.name} may point at {tables}", "add a `link` that says which table and column")
            return False
        accepted = accepted_types(form)
        if source.type in accepted:
            return True
        words = " or ".join(sorted(accepted))
        found = f"source column {source.name} is {source.type}, but {column.name} ({column.kind}) takes {words}"
        remedy = f"declare {source.name} as `type: {sorted(accepted)[0]}`"
        if source.type == "text" and not accepted & {"text"}:
            remedy += "; for values such as 1.234,56 or 31/12/2025 see docs/expressions.md and `input_format`"
        self.note(f"{path}.source", found, remedy)
        return False

    def _link(
        self, path: str, number: int, link: Link, column: Column, sources: Sequence[TypedColumn]
    ) -> LinkTable | None:
        if not column.is_lookup:
            self.note(path, f"{column.name} is no lookup but {column.kind}", "remove `link`")
            return None
        by_column = isinstance(link.entity, EntityFromColumn)
        tables = self._link_tables(f"{path}.entity", link, column)
        if not tables:
            return None
        sides = self._link_sides(f"{path}.column", link, tables[0], sources)
        entity_source = self.columns.get(link.entity.source) if isinstance(link.entity, EntityFromColumn) else None
        if sides is None or (by_column and entity_source is None):
            return None
        self.linked[number] = tables
        entity = None if by_column else tables[0].name
        deferred = link.missing == "defer"
        if deferred:
            self._check_deferred(path, link, column, tables)
        return LinkTable(number, sides, entity, entity_source, link.where or "", link.missing == "null", deferred)

    def _check_deferred(self, path: str, link: Link, column: Column, tables: Sequence[Table]) -> None:
        mapped = {mapping.target for mapping in self.definition.mappings}
        for found, remedy in undeferrable(self.metadata.table, link, column, tables, mapped):
            self.note(f"{path}.missing", found, remedy)

    def _link_tables(self, path: str, link: Link, column: Column) -> tuple[Table, ...]:
        allowed = {target.entity for target in column.targets}
        known = self.metadata.linked
        if isinstance(link.entity, EntityFromColumn):
            candidates = [known[name] for name in sorted(allowed) if name in known]
            return tuple(table for table in candidates if set(link.columns) <= set(table.columns))
        table = known.get(link.entity)
        if table is None or table.name not in allowed:
            found = f"{column.name} cannot point at {link.entity!r}"
            self.note(path, found, f"it points at {', '.join(sorted(allowed))}")
            return ()
        return (table,)

    def _link_sides(
        self, path: str, link: Link, table: Table, sources: Sequence[TypedColumn]
    ) -> tuple[LinkSide, ...] | None:
        sides = []
        for name, source in zip(link.columns, sources, strict=True):
            column = table.columns.get(name)
            if column is None or column.kind is ColumnKind.UNSUPPORTED:
                self.note(path, f"table {table.name} has no column {name!r} to match", nearest(name, table.columns))
                return None
            form = form_of(column)
            if source.type not in accepted_types(form):
                words = " or ".join(sorted(accepted_types(form)))
                self.note(path, f"{source.name} is {source.type}, but {table.name}.{name} takes {words}")
                return None
            sides.append(LinkSide(form, source))
        return tuple(sides)


def sync_key(definition: SyncDefinition) -> tuple[str, ...]:
    """The sync key's columns as the mappings spell them; the definition may write them in other letters."""
    spelled = {mapping.target.casefold(): mapping.target for mapping in definition.mappings}
    return tuple(spelled.get(name.casefold(), name) for name in definition.behaviour.key)


def nearest(name: str, names: Iterable[str]) -> str:
    """A remedy that offers the names most like `name`."""
    close = difflib.get_close_matches(name.lower(), list(names), n=3, cutoff=0.5)
    return f"did you mean {', '.join(close)}?" if close else "look the name up in the table's columns"


def prepare(
    definition: SyncDefinition, metadata: Metadata, columns: MappingOf[str, TypedColumn]
) -> tuple[Prepared | None, list[Problem]]:
    """The mapping made ready, and all problems; None when one of them is an error.

    `columns` are the source's typed columns by the name that mappings use.
    """
    builder = Builder(definition, metadata, columns)
    found = [builder.target(number, mapping) for number, mapping in enumerate(definition.mappings)]
    targets = [target for target in found if target is not None]
    targets += builder.money.stated(targets, builder.note)
    targets = with_states(metadata.table, targets)
    targets = builder.money.by_record(targets)
    builder.money.check(targets, builder.note)
    _check_ids(builder)
    _check_key(builder, targets)
    _check_options(builder)
    note_closing(metadata.table, [mapping.target for mapping in definition.mappings], builder.note)
    removal = removal_of(definition, metadata.table, builder.note)
    when, watched, extra = _condition(builder, targets)
    if any(problem.severity is Severity.ERROR for problem in builder.problems):
        return None, builder.problems
    action = definition.behaviour.action_column
    mapping = Mapping(
        targets=tuple(targets),
        key=sync_key(definition),
        id_column=metadata.table.id_column,
        accent_sensitive=metadata.environment.accent_sensitive,
        action=columns[action] if action else None,
        watched=watched,
    )
    names = {target.name for target in targets} | {form.name for form in extra}
    more = tuple(form for form in removal.reads if form.name not in names)
    return Prepared(mapping, (*extra, *more), when, removal, builder.linked), builder.problems


def _check_ids(builder: Builder) -> None:
    stated, real = builder.definition.destination.id_column, builder.metadata.table.id_column
    if stated != real:
        table = builder.metadata.table.name
        builder.note("destination.id_column", f"the id column of {table} is {real}, not {stated!r}", f"write {real}")


def _check_options(builder: Builder) -> None:
    table = builder.metadata.table
    if table.elastic and builder.definition.destination.duplicate_detection:
        found = f"{table.name} is an elastic table, which has no duplicate detection"
        builder.note("destination.duplicate_detection", found, "remove it")


def _check_key(builder: Builder, targets: Sequence[Target]) -> None:
    table, key = builder.metadata.table, sync_key(builder.definition)
    for number, name in enumerate(key):
        target = next((target for target in targets if target.name == name), None)
        if target and target.form.column.kind in (ColumnKind.MEMO, ColumnKind.CHOICES, ColumnKind.MONEY):
            builder.note(f"behaviour.key.{number}", f"{name} ({target.form.column.kind}) cannot be a key column")
        if target and target.form.is_text and any(source.type == "number" for source in target.sources):
            found = f"the text column {name} is fed by a number column, which has lost leading zeros (0007 became 7)"
            builder.note(f"behaviour.key.{number}", found, f"declare {target.sources[0].name} as `type: text`")
        if target and not target.form.column.readable:
            builder.note(f"behaviour.key.{number}", f"{name} cannot be read, so no row can be matched by it")
    if set(key) != {table.id_column} and table.key_over(set(key)) is None:
        found = f"no active alternate key of {table.name} covers {', '.join(key)}"
        remedy = "create one in Dataverse, so that the server itself keeps out a second row with the same key"
        if table.elastic:
            remedy = "an elastic table can have none; let nobody else create rows with the same key"
        builder.note("behaviour.key", found, remedy, Severity.WARNING)


def _condition(
    builder: Builder, targets: Sequence[Target]
) -> tuple[Expression | None, tuple[TypedColumn, ...], tuple[Form, ...]]:
    changed = builder.definition.behaviour.changed
    if isinstance(changed, str):
        return None, (), ()
    table = builder.metadata.table
    known = {f"source.{name}" for name in builder.columns}
    known |= {f"target.{c.name}" for c in table.columns.values() if c.kind is not ColumnKind.UNSUPPORTED and c.readable}
    mapped = {target.name: target.form for target in targets}
    try:
        when = parse(changed.when, columns=known, variables=builder.definition.variables)
        looked_at = {
            name[7:]: _looked_at(name[7:], mapped, table) for name in when.columns if name.startswith("target.")
        }
        _check_types(when, builder.columns, looked_at)
    except ExpressionError as error:
        found, _, remedy = str(error).partition("; ")
        builder.note("behaviour.changed.when", found, remedy)
        return None, (), ()
    watched = tuple(builder.columns[name[7:]] for name in sorted(when.columns) if name.startswith("source."))
    return when, watched, tuple(looked_at[name] for name in sorted(looked_at) if name not in mapped)


def _looked_at(name: str, mapped: MappingOf[str, Form], table: Table) -> Form:
    return mapped.get(name) or form_of(table.columns[name])


def _check_types(when: Expression, columns: MappingOf[str, TypedColumn], forms: MappingOf[str, Form]) -> None:
    """Let DuckDB look at the condition while nothing is read yet."""
    types = {f"source.{name}": column.sql_type for name, column in columns.items()}
    types |= {f"target.{name}": form.sql_type for name, form in forms.items()}
    result = result_type(when.sql(identifier), types=types, parameters={f"v_{name}": "" for name in when.variables})
    if result not in ("BOOLEAN", '"NULL"'):
        raise ExpressionError(f"a condition gives true or false, this gives a {result}; compare it with something")
