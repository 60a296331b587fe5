"""What the table-definition file says beside its tables: global option sets, many-to-many relationships."""

from __future__ import annotations

from collections.abc import Mapping

from local.dataverse.definitions.forms import ManyToManyForm, OptionSetForm
from local.dataverse.definitions.names import prefixed
from local.dataverse.tables import ManyToMany, Option, OptionSet, Side, Table


def option_sets(listed: Mapping[str, OptionSetForm]) -> dict[str, OptionSet]:
    """The global option sets, by name."""
    return {
        name: OptionSet(
            name,
            form.label or name,
            tuple(Option(value, label) for value, label in form.options.items()),
            custom=prefixed(name),
        )
        for name, form in listed.items()
    }


def many_to_many(listed: Mapping[str, ManyToManyForm], tables: Mapping[str, Table]) -> list[ManyToMany]:
    """The relationships of many to many whose tables there are."""
    found = []
    for name, form in listed.items():
        first, second = tables.get(form.first or ""), tables.get(form.second or "")
        if first is not None and second is not None:
            intersect = form.intersect or name.lower()
            found.append(between(name, intersect, (first, second), custom=prefixed(name)))
    return found


def between(
    name: str, intersect: str, sides: tuple[Table, Table], navigations: tuple[str, str] = ("", ""), *, custom: bool
) -> ManyToMany:
    """A relationship of many to many; where both sides are one table, their columns and properties differ."""
    first, second = sides
    same = first.name == second.name
    columns = (f"{first.id_column}one", f"{second.id_column}two") if same else (first.id_column, second.id_column)
    return ManyToMany(
        name,
        intersect,
        Side(first.name, columns[0], navigations[0] or name),
        Side(second.name, columns[1], navigations[1] or (f"{name}_referenced" if same else name)),
        custom,
    )
