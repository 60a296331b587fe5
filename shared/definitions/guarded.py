"""Which settings `write` may change, and which only `admin`: those that lead data or secrets elsewhere, or run things.

One table names what is open; everything else is guarded, so that a new setting is guarded until somebody decides.
The reasons stand in docs/decisions/0022-what-write-may-change.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from shared.definitions.behaviour import Behaviour, Brakes, ConditionalUpdate, Deactivate, Expire
from shared.definitions.destination import DynamicsDestination
from shared.definitions.formulas import FormulaName
from shared.definitions.listener import Listener
from shared.definitions.mapping import ColumnMapping, Link
from shared.definitions.part import Part, SecretRef
from shared.definitions.schedule import Schedule
from shared.definitions.schema_column import Case, Replacement, SchemaColumn
from shared.definitions.source import (
    DataverseSource,
    DelimitedSource,
    ExcelSource,
    FixedWidthSource,
    JsonSource,
    ParquetSource,
    RestSource,
    SqlSource,
    Watermark,
)
from shared.definitions.sync import SyncDefinition
from shared.definitions.variables import Variable
from shared.variables import code_pieces, names, template_pieces

_SOURCE = ("schema", "watermark", "time_zone")
_FILE = (*_SOURCE, "filter", "processed")

_OPEN: Mapping[type[Part], tuple[str, ...]] = {
    SyncDefinition: (
        *("name", "version", "title", "description", "enabled", "schedule", "listener"),
        *("variables", "source", "destination", "mappings", "behaviour"),
    ),
    Variable: ("description", "default", "file", "formula"),  # while nothing guarded is made of it: `_of_variables`
    DelimitedSource: (*_FILE, "delimiter", "quote", "escape", "encoding", "header", "skip_rows"),
    FixedWidthSource: (*_FILE, "encoding", "skip_rows", "skip_footer_rows", "short_lines"),
    ExcelSource: (*_FILE, "header", "skip_rows", "skip_footer_rows"),
    JsonSource: (*_FILE, "format"),
    ParquetSource: _FILE,
    SqlSource: _SOURCE,
    RestSource: (*_SOURCE, "filter", "timeout_s", "attempts"),
    DataverseSource: (*_SOURCE, "timeout_s"),
    Watermark: ("column", "overlap"),
    SchemaColumn: (
        *("name", "alias", "description", "type", "mandatory", "validate", "max_length", "trim", "input_format"),
        *("width", "replace", "formula", "cases", "otherwise"),
    ),
    Replacement: ("pattern", "with"),
    Case: ("when", "then"),
    DynamicsDestination: (
        *("id_column_insert", "change_tracking", "full_read_every", "on_null", "currency", "duplicate_detection"),
        *("batch_size", "parallel", "timeout_s"),
    ),
    ColumnMapping: ("source", "target", "link", "on_null"),
    Link: ("missing", "ambiguous"),
    Behaviour: (
        *("strategy", "key", "duplicates", "new", "changed", "dropped", "returned", "deletes", "action_column"),
        *("brakes", "undo"),
    ),
    Brakes: ("removals", "creates", "updates", "rejects", "at_least"),
    ConditionalUpdate: ("when",),
    Deactivate: ("deactivate",),
    Expire: ("expire",),
    Schedule: ("cron", "time_zone"),
    Listener: ("enabled", "format", "action", "key", "version", "filter", "ignore_tags"),
}
OPEN: Mapping[type[Part], frozenset[str]] = {model: frozenset(labels) for model, labels in _OPEN.items()}
"""Per part, the settings (as YAML spells them) that `write` may change; of a part among them, those of its own line."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One guarded value: where it stands, and what stands there (its type too: 1 is not true)."""

    path: str
    value: object
    kind: type


_Place = tuple[str, ...]
_Leaves = dict[_Place, _Leaf]
"""Guarded values by what they belong to, which stays the same when the list around them is put in another order."""


def guarded_changes(old: SyncDefinition | None, new: SyncDefinition) -> list[str]:
    """The paths of the guarded settings in which the two differ; of one that is gone, the path it had.

    Without an old definition: all that are set. Of a broken text, what can be told.
    """
    both = [one for one in (old, new) if one is not None]
    leaves = [dict(_of_open_part(one, (), "")) for one in both]
    used = _used(both, leaves)
    for one, found in zip(both, leaves, strict=True):
        found |= dict(_of_variables(one, used))
    before, after = leaves if len(leaves) == 2 else ({}, leaves[0])
    differing = [place for place in {**before, **after} if _differs(before.get(place), after.get(place))]
    return sorted({(after.get(place) or before[place]).path for place in differing})


def _differs(one: _Leaf | None, other: _Leaf | None) -> bool:
    return one is None or other is None or (one.kind, one.value) != (other.kind, other.value)


def _settings(part: Part) -> Iterator[tuple[str, object]]:
    """The settings of a part, as YAML spells them, that are not left at their defaults."""
    for name, setting in type(part).model_fields.items():
        if not part.stands(name):
            continue
        value = getattr(part, name)
        if setting.is_required() or value != setting.get_default(call_default_factory=True):
            yield setting.alias or name, value


def _of_open_part(part: Part, place: _Place, path: str) -> Iterator[tuple[_Place, _Leaf]]:
    """The guarded values of a part that may hold open ones."""
    open_here = OPEN.get(type(part), frozenset())
    for label, value in _settings(part):
        inside = _of_open if label in open_here else _of_guarded
        yield from inside(value, (*place, label), f"{path}.{label}".lstrip("."))


def _of_open(value: object, place: _Place, path: str) -> Iterator[tuple[_Place, _Leaf]]:
    """The guarded values within an open setting: in its part, or in each part of its list. A secret always is one."""
    if isinstance(value, SecretRef):
        yield from _of_guarded(value, place, path)
    elif isinstance(value, Part):
        yield from _of_open_part(value, place, path)
    elif isinstance(value, tuple):
        for number, (name, item) in enumerate(_with_names(value)):
            yield from _of_open(item, (*place, name), f"{path}.{number}")


def _with_names(items: Iterable[object]) -> Iterator[tuple[str, object]]:
    """Each item with a name that it keeps when the list is put in another order: a mapping's is its target."""
    seen: Counter[str] = Counter()
    for item in items:
        name = item.target if isinstance(item, ColumnMapping) and item.stands("target") else ""
        seen[name] += 1
        yield f"{name}#{seen[name]}", item


def _of_guarded(value: object, place: _Place, path: str) -> Iterator[tuple[_Place, _Leaf]]:
    """Every value within a guarded setting; a secret's name is one value."""
    inner: Iterable[tuple[str, object]]
    if isinstance(value, Part) and not isinstance(value, SecretRef):
        inner = _settings(value)
    elif isinstance(value, tuple):
        inner = ((str(number), item) for number, item in enumerate(value))
    elif isinstance(value, Mapping):
        inner = value.items()
    else:
        yield place, _Leaf(path, value, type(value))
        return
    for label, item in inner:
        yield from _of_guarded(item, (*place, label), f"{path}.{label}")


def _used(definitions: Iterable[SyncDefinition], leaves: Iterable[_Leaves]) -> set[str]:
    """The variables that something guarded is made of, directly or through another's formula, and the app's settings.

    A variable that counts in the old definition or the new one counts in both.
    """
    needs: dict[str, set[str]] = {}
    used = set[str]().union(*(_named(leaf.value) for found in leaves for leaf in found.values()))
    for found in definitions:
        for name, one in _variables(found):
            needs.setdefault(name, set()).update(_named(one.formula))
            used |= {name} if _reads_a_setting(one.formula or "") else set()
    more = list(used)
    while more:  # each name once: formulas may hang together in a long chain
        new = needs.get(more.pop(), set()) - used
        used |= new
        more += new
    return used


def _variables(definition: SyncDefinition) -> Iterator[tuple[str, Variable]]:
    """The variables whose formula can be read."""
    if definition.stands("variables"):
        yield from ((name, one) for name, one in definition.variables.items() if one.stands("formula"))


def _named(text: object) -> set[str]:
    """Every variable that a text can name, however it is read."""
    if not isinstance(text, str):
        return set()
    return names(template_pieces(text)) | names(code_pieces(text))


def _reads_a_setting(formula: str) -> bool:
    return formula.strip().upper().startswith(FormulaName.ENV)


def _of_variables(definition: SyncDefinition, used: set[str]) -> Iterator[tuple[_Place, _Leaf]]:
    """What the used variables are made of."""
    for name, variable in _variables(definition):
        for label, value in _settings(variable):
            if name in used and label != "description":
                yield from _of_guarded(value, ("variables", name, label), f"variables.{name}.{label}")
