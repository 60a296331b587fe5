"""One table of the table-definition file, with the columns that every table has."""

from __future__ import annotations

from collections.abc import Mapping

from local.dataverse import systemcolumns
from local.dataverse.definitions.columns import Place, column
from local.dataverse.definitions.forms import KeyForm, TableForm
from local.dataverse.definitions.names import prefixed
from local.dataverse.tables import Column, Key, Kind, OptionSet, Table

_OWNERSHIP = {"user": "UserOwned", "organization": "OrganizationOwned", "none": "None", "business": "BusinessOwned"}
_STATES = {state.lower(): state for state in ("Pending", "InProgress", "Active", "Failed")}


def table(name: str, form: TableForm, option_sets: Mapping[str, OptionSet]) -> Table:
    """A table of the file."""
    custom = prefixed(name) if form.custom is None else form.custom
    label = form.label or name.capitalize()
    id_column = _id_column(name, form, custom=custom)
    columns = [id_column, *_columns(name, form, option_sets)]
    keys = [_key(key, given) for key, given in form.keys.items()]
    found = Table(
        name=name,
        schema_name=form.schema_name or name.capitalize(),
        entity_set=form.entity_set or f"{name}s",
        label=label,
        id_column=id_column.name,
        name_column=form.name or "",
        type_code=form.type_code,
        ownership=_OWNERSHIP[form.ownership],
        columns={},
        keys=(*keys, systemcolumns.partition_key(id_column.name)) if form.elastic else tuple(keys),
        bulk=form.bulk,
        optimistic=form.optimistic,
        change_tracking=form.change_tracking,
        custom=custom,
        seeds=tuple(form.rows or ()),
        elastic=form.elastic,
        collection_label=form.labels or f"{label}s",
        description=form.description,
    )
    return found.changed(columns={c.name: c for c in columns})


def _columns(name: str, form: TableForm, option_sets: Mapping[str, OptionSet]) -> list[Column]:
    own: list[Column] = []
    for each, given in form.columns.items():
        made = column(Place(name, each, each == form.name, option_sets), given)
        own.append(systemcolumns.with_image_place(made, own) if given.create is None else made)
    own += [companion for c in own for companion in systemcolumns.companions(c)]
    present = {c.name for c in own}
    own += systemcolumns.of(name, present, own, owned=_OWNERSHIP[form.ownership], status=form.status)
    return own + (systemcolumns.elastic({c.name for c in own}) if form.elastic else [])


def _id_column(name: str, form: TableForm, *, custom: bool) -> Column:
    found = form.id_column or f"{name}id"
    schema = f"{form.schema_name or name.capitalize()}Id"
    return Column(
        found,
        form.id_schema or (schema if schema.lower() == found else found),
        Kind.UNIQUEIDENTIFIER,
        form.label or found,
        required="SystemRequired",
        primary_id=True,
        updatable=False,
        custom=custom,
    )


def _key(name: str, form: KeyForm) -> Key:
    schema = form.schema_name or name
    return Key(name.lower(), schema, form.label or name, tuple(form.columns), _STATES[form.state])
