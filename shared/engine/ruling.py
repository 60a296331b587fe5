"""What a definition wants of its records, in the engine's words: for batch jobs and real time alike."""

from __future__ import annotations

from collections.abc import Mapping

from shared.definitions.behaviour import ConditionalUpdate
from shared.definitions.sync import SyncDefinition
from shared.engine.plan import PlannedColumn
from shared.engine.planning import Rules
from shared.mapping.build import Prepared
from shared.sql import identifier
from shared.values.tables import Table


def rules_of(definition: SyncDefinition, prepared: Prepared, variables: Mapping[str, str]) -> Rules:
    """The rules for new, changed, returned and deleted records."""
    behaviour = definition.behaviour
    when = prepared.when.sql(_pair_column) if prepared.when else None
    names = prepared.when.variables if prepared.when else frozenset()
    return Rules(
        insert=behaviour.new == "insert",
        update=isinstance(behaviour.changed, ConditionalUpdate) or behaviour.changed == "update",
        revive=behaviour.returned == "revive",
        deletes=behaviour.deletes,
        id_column_insert=definition.destination.id_column_insert,
        when=when,
        parameters={f"v_{name}": variables[name] for name in names},
    )


def _pair_column(name: str) -> str:
    side, _, column = name.partition(".")
    return f"w.{identifier(name)}" if side == "source" else f"w.{identifier('before.' + column)}"


def ids_of(prepared: Prepared, table: Table) -> str:
    """How new ids are made: from the source, growing (an alternate key keeps doubles out), or derived from the key."""
    if prepared.mapping.id_target is not None:
        return "source"
    return "growing" if table.key_over(set(prepared.mapping.key)) else "derived"


def planned_columns(prepared: Prepared) -> tuple[PlannedColumn, ...]:
    """The columns that a plan writes or shows."""
    forms = {target.name: target.form for target in prepared.mapping.targets}
    forms |= {form.name: form for form in prepared.extra}
    return tuple(
        PlannedColumn(
            form.name,
            form.column.read_name,
            form.column.label,
            form.scale,
            tuple(target.navigation for target in form.column.targets),
            tuple((option.value, option.label) for option in form.column.options),
            form.column.kind.value,
        )
        for form in forms.values()
    )
