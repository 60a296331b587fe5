"""One table from its metadata, with one request per thing that only a cast tells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial

from shared.dataverse.asking import Answer, Asking
from shared.dataverse.literals import encoded, quoted
from shared.dataverse.metadata.columns import CASTS, kind_of, read_column
from shared.dataverse.metadata.json import Json, flag, inner, label, objects, text, texts
from shared.dataverse.reading import Reader, Row
from shared.dataverse.transport import Transport
from shared.errors import DestinationError
from shared.values.tables import AlternateKey, Column, ColumnKind, LookupTarget, Table

_ATTRIBUTES = (
    "Attributes?$select=LogicalName,SchemaName,DisplayName,AttributeType,AttributeTypeName,RequiredLevel,IsPrimaryId,"
    "IsPrimaryName,IsValidForCreate,IsValidForUpdate,IsValidForRead,AttributeOf"
)
_RELATIONSHIPS = (
    "ManyToOneRelationships?$select=SchemaName,ReferencingAttribute,ReferencingEntityNavigationPropertyName,"
    "ReferencedEntity,ReferencedAttribute"
)
_KEYS = "Keys?$select=SchemaName,LogicalName,KeyAttributes,EntityKeyIndexStatus"
_OWNERS = ("systemuser", "team")
Navigation = Mapping[str, Mapping[str, str]]
"""Navigation property names: by column, then by the table pointed at."""


class TableReading:
    """One table that is being read, by its logical name: what can be asked at once is, from the beginning."""

    def __init__(self, asking: Asking, transport: Transport, reader: Reader, name: str) -> None:
        self._asking, self._reader, self._name = asking, reader, name
        self._root = root = f"EntityDefinitions(LogicalName={encoded(quoted(name))})"
        self._attributes = asking.later(self._ask_columns)
        self._definition = asking.later(lambda: transport.get(root).json())
        self._navigation = asking.later(lambda: _navigation(reader, root))
        self._keys = asking.later(lambda: reader.all_rows(f"{root}/{_KEYS}"))
        self._bulk_create = asking.later(lambda: _offers(reader, "CreateMultiple", name))
        self._bulk_update = asking.later(lambda: _offers(reader, "UpdateMultiple", name))

    def table(self, entity_sets: Mapping[str, str]) -> Table:
        """The table; `entity_sets` gives set names by logical name. Of several faults, always the same one is told.

        Raises:
            DestinationError: the table cannot be written through the Web API, or the service refused.
        """
        definition = self._definition()
        elastic = text(definition, "TableType") == "Elastic"
        return Table(
            name=self._name,
            schema_name=text(definition, "SchemaName"),
            entity_set=_required(definition, "EntitySetName", self._name),
            id_column=_required(definition, "PrimaryIdAttribute", self._name),
            name_column=text(definition, "PrimaryNameAttribute") or None,
            columns=self._columns(entity_sets),
            keys=tuple(map(_key, self._keys())),
            bulk_create=elastic or self._bulk_create(),
            bulk_update=elastic or self._bulk_update(),
            optimistic_concurrency=flag(definition, "IsOptimisticConcurrencyEnabled"),
            change_tracking=flag(definition, "ChangeTrackingEnabled"),
            elastic=elastic,
            deletable=_deletable(definition),
        )

    def _ask_columns(self) -> tuple[list[Row], list[Answer[list[Row]]]]:
        """The attributes, and what is asked of their kinds."""
        rows = self._reader.all_rows(f"{self._root}/{_ATTRIBUTES}")
        attributes = [row for row in rows if text(row, "LogicalName")]
        kinds = {kind_of(attribute) for attribute in attributes}
        casts = dict.fromkeys(CASTS[kind] for kind in sorted(kinds) if kind in CASTS)
        paths = [f"{self._root}/Attributes/{cast.segment}?{cast.query}" for cast in casts]
        return attributes, [self._asking.later(partial(self._reader.all_rows, path)) for path in paths]

    def _columns(self, entity_sets: Mapping[str, str]) -> dict[str, Column]:
        attributes, asked = self._attributes()
        details: dict[str, Json] = {text(row, "LogicalName"): row for rows in asked for row in rows()}
        navigation = self._navigation()
        columns = {}
        for attribute in sorted(attributes, key=lambda row: text(row, "LogicalName")):
            name = text(attribute, "LogicalName")
            detail = details.get(name, {})
            targets = _targets(attribute, detail, navigation.get(name, {}), entity_sets)
            columns[name] = read_column(attribute, detail, targets)
        return columns


def _deletable(definition: Json) -> bool:
    """Whether there is a right to delete rows; a table without that right refuses every delete.

    Source: Microsoft Learn, "EntityMetadata EntityType", Privileges (2025).
    """
    rights = objects(definition, "Privileges")
    return not rights or any(text(right, "PrivilegeType") == "Delete" for right in rights)


def _required(definition: Json, member: str, name: str) -> str:
    value = text(definition, member)
    if not value:
        raise DestinationError(f"the metadata of table {name!r} has no {member}; it cannot be used through the Web API")
    return value


def _navigation(reader: Reader, root: str) -> Navigation:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for row in reader.all_rows(f"{root}/{_RELATIONSHIPS}"):
        name = text(row, "ReferencingEntityNavigationPropertyName")
        if name:
            found[text(row, "ReferencingAttribute")].setdefault(text(row, "ReferencedEntity"), name)
    return found


def _targets(
    attribute: Json, detail: Json, navigation: Mapping[str, str], entity_sets: Mapping[str, str]
) -> tuple[LookupTarget, ...]:
    """What a lookup may point at: its targets that have a navigation property and an entity set.

    An owner has one navigation property, named like its column, for users and teams alike.
    """
    if kind_of(attribute) is ColumnKind.OWNER:
        name = next(iter(navigation.values()), text(attribute, "LogicalName"))
        navigation = dict.fromkeys(_OWNERS, name)
    wanted = texts(detail, "Targets") or list(navigation)
    wanted = [entity for entity in wanted if entity != "owner"] if navigation.keys() >= set(_OWNERS) else wanted
    return tuple(
        LookupTarget(entity, entity_sets[entity], navigation[entity])
        for entity in wanted
        if entity in entity_sets and entity in navigation
    )


def _key(row: Json) -> AlternateKey:
    name = text(row, "SchemaName") or text(row, "LogicalName") or label(row, "DisplayName")
    status = text(row, "EntityKeyIndexStatus") or text(inner(row, "EntityKeyIndexStatus"), "Value")
    return AlternateKey(name, tuple(texts(row, "KeyAttributes")), active=status == "Active")


def _offers(reader: Reader, message: str, table: str) -> bool:
    """Whether the table takes a bulk message. Source: Microsoft Learn, "Use bulk operation messages"."""
    condition = f"sdkmessageid/name eq {quoted(message)} and primaryobjecttypecode eq {quoted(table)}"
    path = f"sdkmessagefilters?$select=sdkmessagefilterid&$filter={encoded(condition)}"
    return bool(reader.all_rows(path))
