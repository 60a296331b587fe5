"""The actions and functions of the Web API that concern definitions.

Source: Microsoft Learn, "Web API actions" and "Web API functions" reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from local.dataverse import refusals
from local.dataverse.messages import Reply, Request, body_object, json_reply
from local.dataverse.metadata import newoptions, newrelationships, querying, refused, replacing
from local.dataverse.metadata.bodies import Body
from local.dataverse.metadata.catalogue import Catalogue
from local.dataverse.metadata.changing import Changing, key_of
from local.dataverse.metadata.documents import relationship_id
from local.dataverse.metadata.labels import identity, merged
from local.dataverse.tables import Column, Kind, Option, OptionSet, Table
from local.dataverse.world import World

_CHANGES = "RetrieveMetadataChanges"
_WITH_OPTIONS = (Kind.CHOICE, Kind.CHOICES)
Place = tuple[Table, Column] | OptionSet


class Actions:
    """Answers them, one method each."""

    def __init__(self, world: World, changing: Changing) -> None:
        self._world = world
        self._changing = changing
        self._named: dict[str, Callable[[Body], dict[str, object] | None]] = {
            "CreateEntities": self._create_entities,
            "CreatePolymorphicLookupAttribute": self._create_polymorphic,
            "CreateCustomerRelationships": self._create_customer,
            "ReactivateEntityKey": self._reactivate,
            "InsertOptionValue": self._insert_option,
            "UpdateOptionValue": self._update_option,
            "DeleteOptionValue": self._delete_option,
            "OrderOption": self._order_options,
            "PublishXml": self._publish,
            "PublishAllXml": self._publish,
        }

    def owns(self, segment: str) -> bool:
        """Whether the first segment of a path is one of these."""
        return segment in self._named or segment.partition("(")[0] == _CHANGES

    def answer(self, catalogue: Catalogue, segment: str, request: Request) -> Reply:
        """The answer to one of them.

        Raises:
            Refusal: it cannot be done.
        """
        if segment.partition("(")[0] == _CHANGES:
            return querying.answer(catalogue, segment, request)
        if request.method != "POST":
            raise refusals.no_resource()
        found = self._named[segment](Body(segment, body_object(request)))
        if found is None:
            return Reply(204, message=segment)
        context = f"{request.root}$metadata#Microsoft.Dynamics.CRM.{segment}Response"
        return json_reply({"@odata.context": context, **found}, message=segment)

    def _create_entities(self, body: Body) -> dict[str, object]:
        body.only(("Entities",))
        entities = [Body.of("EntityMetadata", item) for item in body.listed("Entities")]
        if not entities:
            raise refused.missing_member(body.kind, "Entities")
        return {"EntityIds": self._changing.create_tables(entities)}

    def _create_polymorphic(self, body: Body) -> dict[str, object]:
        return self._lookup(body, Kind.LOOKUP)

    def _create_customer(self, body: Body) -> dict[str, object]:
        return self._lookup(body, Kind.CUSTOMER)

    def _lookup(self, body: Body, kind: Kind) -> dict[str, object]:
        body.only(("OneToManyRelationships", "Lookup", "SolutionUniqueName"))
        listed = [Body.of(newrelationships.ONE_TO_MANY, item) for item in body.listed("OneToManyRelationships")]
        if kind is Kind.CUSTOMER and {item.text("ReferencedEntity") for item in listed} != {"account", "contact"}:
            raise refused.argument("A customer lookup has two relationships, with account and with contact.")
        attribute = body.part("Lookup", "LookupAttributeMetadata")
        tables = self._world.tables
        table, column = newrelationships.lookup_of_several(tables, listed, attribute, kind)
        self._changing.settle(tables.with_tables(table))
        ids = [relationship_id(target.relationship) for target in column.targets]
        return {"RelationshipIds": ids, "AttributeId": identity(table.name, column.name)}

    def _reactivate(self, body: Body) -> None:
        body.only(("EntityLogicalName", "EntityKeyLogicalName"))
        table = newrelationships.table_named(self._world.tables, body.text("EntityLogicalName"))
        self._changing.indexes.reactivate(table, key_of(table, body.text("EntityKeyLogicalName")))

    def _insert_option(self, body: Body) -> dict[str, object]:
        place, present = self._options(body, ("Value", "Label", "Description", "SolutionUniqueName", "ParentValues"))
        shown = body.texts("Label")
        option = Option(body.whole("Value", newoptions.next_value(present)), shown.base, labels=shown.others)
        if option.value in {o.value for o in present}:
            raise refused.option_taken()
        self._changing.settle(replacing.options(self._world.tables, place, (*present, option)))
        return {"NewOptionValue": option.value}

    def _update_option(self, body: Body) -> None:
        place, present = self._options(body, ("Value", "Label", "Description", "MergeLabels", "SolutionUniqueName"))
        old = _option(present, body.whole("Value", -1))
        shown = body.texts("Label", old.label)
        shown = merged(shown, old.labels) if body.flag("MergeLabels") else shown
        new = replace(old, label=shown.base, labels=shown.others)
        changed = tuple(new if option is old else option for option in present)
        self._changing.settle(replacing.options(self._world.tables, place, changed))

    def _delete_option(self, body: Body) -> None:
        place, present = self._options(body, ("Value", "SolutionUniqueName"))
        old = _option(present, body.whole("Value", -1))
        changed = tuple(option for option in present if option is not old)
        self._changing.settle(replacing.options(self._world.tables, place, changed))

    def _order_options(self, body: Body) -> None:
        place, present = self._options(body, ("Values", "SolutionUniqueName"))
        values = body.listed("Values")
        by_value = {option.value: option for option in present}
        if len(values) != len(present) or set(map(str, values)) != set(map(str, by_value)):
            raise refused.bad_options("The values to order by are not the values of the options.")
        changed = tuple(by_value[int(str(value))] for value in values)
        self._changing.settle(replacing.options(self._world.tables, place, changed))

    def _options(self, body: Body, more: tuple[str, ...]) -> tuple[Place, tuple[Option, ...]]:
        """Where the options of a request are, and what they are: a column's own, or a global option set."""
        body.only(("OptionSetName", "EntityLogicalName", "AttributeLogicalName", *more))
        tables, name = self._world.tables, body.text("OptionSetName")
        if name:
            if name not in tables.option_sets:
                raise refused.bad_options(f"There is no global option set {name[:100]}.")
            return tables.option_sets[name], tables.option_sets[name].options
        table = newrelationships.table_named(tables, body.text("EntityLogicalName"))
        column = table.columns.get(body.text("AttributeLogicalName"))
        if column is None:
            raise refused.no_column(table.name, body.text("AttributeLogicalName"))
        if column.option_set is not None:
            return tables.option_sets[column.option_set], column.options
        if column.kind not in _WITH_OPTIONS:
            raise refusals.Refusal(
                400, "0x80044320", "You can add option values only to picklist and status attributes."
            )
        return (table, column), column.options

    def _publish(self, body: Body) -> None:
        body.only(("ParameterXml",))


def _option(present: tuple[Option, ...], value: int) -> Option:
    for option in present:
        if option.value == value:
            return option
    raise refused.bad_options(f"There is no option with the value {value}.")
