"""What the service says when a definition is not to be made, changed or deleted.

Codes and most texts are those of Microsoft's list; where no capture of the real answer was found, the status is 400.
Source: Microsoft Learn, "Web service error codes".
"""

from __future__ import annotations

from local.dataverse import refusals
from local.dataverse.refusals import Refusal


def _bad(code: str, message: str) -> Refusal:
    return Refusal(400, code, message)


def wrong_member(kind: str, name: str, wanted: str) -> Refusal:
    """A member of a body has another form than it should."""
    return refusals.payload(kind, f"Cannot convert the member '{name}' to the expected type '{wanted}'.")


def unknown_member(kind: str, name: str) -> Refusal:
    """A member of a body that its type does not have."""
    return refusals.payload(
        kind,
        f"The property '{name[:100]}' does not exist on type 'Microsoft.Dynamics.CRM.{kind}'. Make sure to only use "
        "property names that are defined by the type.",
    )


def missing_member(kind: str, name: str) -> Refusal:
    """A member that a body must have."""
    return _bad("0x80040203", f"Required field '{name}' is missing for {kind}.")


def argument(message: str) -> Refusal:
    """A value that the platform does not take."""
    return _bad("0x80040203", message)


def name_taken(kind: str, name: str) -> Refusal:
    """SchemaNameisNotUnique."""
    return _bad(
        "0x80044363",
        f"The schema name {name} for type {kind} is not unique. An {kind} with same name already exists.",
    )


def column_taken(name: str) -> Refusal:
    """DuplicateAttributeSchemaName."""
    return _bad("0x80047013", f"An attribute with the specified name {name} already exists")


def bad_prefix(kind: str, name: str) -> Refusal:
    """InvalidNamePrefix."""
    return _bad(
        "0x80044366",
        f"The schema name {name[:100]} for type {kind} is invalid or missing. Custom attribute, entity, entitykey, "
        "option set and relationship names must start with a valid customization prefix. The prefix for a solution "
        "component should match the prefix that is specified for the publisher of the solution.",
    )


def name_too_long(kind: str, name: str, most: int) -> Refusal:
    """SchemaNameLengthExceedsLimit."""
    return _bad(
        "0x80044367",
        f"Identifiers cannot be more than {most} characters long. The provided schema name {name[:150]} length for "
        f"type {kind} is greater than maxlength {most} characters.",
    )


def no_columns() -> Refusal:
    """NoAttributesForEntityCreate."""
    return _bad("0x80047014", "No attributes for Create Entity action.")


def no_primary_name(table: str) -> Refusal:
    """PrimaryNameAttributeNotFound."""
    return _bad("0x80044355", f"PrimaryName attribute not found for Entity: {table}")


def second_primary_name(table: str, present: str, new: str) -> Refusal:
    """DuplicatePrimaryNameAttribute."""
    return _bad(
        "0x8004701e",
        f"The new {new} attribute is set as the primary name attribute for the {table} entity. The {table} entity "
        f"already has the {present} attribute set as the primary name attribute. An entity can only have one primary "
        "name attribute.",
    )


def primary_name_no_text() -> Refusal:
    """InvalidPrimaryFieldType."""
    return _bad("0x8004700e", "Primary UI Attribute has to be of type String")


def bad_ownership() -> Refusal:
    """InvalidOwnershipTypeMask."""
    return _bad("0x8004700d", "The specified ownership type mask is not valid for this operation")


def no_table(name: str) -> Refusal:
    """QueryBuilderNoEntity."""
    return _bad(
        "0x80041102",
        f"The entity with a name = '{name[:100]}' with namemapping = 'Logical' was not found in the MetadataCache.",
    )


def no_column(table: str, name: str) -> Refusal:
    """QueryBuilderNoAttribute."""
    return _bad("0x80041103", f"'{table}' entity doesn't contain attribute with Name = '{name[:100]}'.")


def in_use(kind: str, component_id: str, number: int) -> Refusal:
    """CannotDeleteInUseComponent."""
    return _bad(
        "0x8004f01f",
        f"The {kind}({component_id}) component cannot be deleted because it is referenced by {number} other "
        "components. For a list of referenced components, use the RetrieveDependenciesForDeleteRequest.",
    )


def system_component(operation: str, name: str, component_id: str) -> Refusal:
    """CannotDeleteMetadata."""
    return _bad(
        "0x8004f032",
        f"The '{operation}' operation on the current component(name='{name}', id='{component_id}') failed during "
        "managed property evaluation of condition: 'Managed Property Name: iscustomizable; Component Name: "
        f"{name}; Attribute Name: iscustomizable;'",
    )


def primary_column() -> Refusal:
    """CannotDeletePrimaryUIAttribute."""
    return _bad("0x80047002", "The Primary UI Attribute is not valid for deletion")


def child_column() -> Refusal:
    """CannotDeleteChildAttribute."""
    return _bad("0x80047016", "The Child Attribute is not valid for deletion")


def base_column() -> Refusal:
    """CannotDeleteBaseMoneyCalculationAttribute."""
    return _bad("0x80048cfe", "The base money calculation Attribute is not valid for deletion")


def relationship_taken() -> Refusal:
    """EntityRelationshipSchemaNameNotUnique."""
    return _bad("0x8004432b", "A relationship with the specified name already exists. Please specify a unique name.")


def relationship_unnamed() -> Refusal:
    """EntityRelationshipSchemaNameRequired."""
    return _bad("0x8004432a", "Entity relationships require a name")


def bad_cascade(value: str) -> Refusal:
    """InvalidCascadeLinkType."""
    return _bad("0x80048204", f"The cascade link type is not valid for the cascade action: {value[:50]}.")


def key_taken(name: str, table: str) -> Refusal:
    """EntityKeyNameExists."""
    return _bad("0x80060893", f"An entity key with the name {name} already exists on entity {table}.")


def key_columns_taken() -> Refusal:
    """EntityKeyWithSelectedAttributesExists."""
    return _bad("0x80060894", "An entity key with the selected attributes already exists on entity.")


def bad_key(reason: str) -> Refusal:
    """InvalidEntityKeyOperation."""
    return _bad("0x8006088f", f"Invalid EntityKey Operation performed : {reason}")


def key_not_failed() -> Refusal:
    """ReactivateEntityKeyOnlyForFailedJobs."""
    return _bad("0x80060897", "Reactivate entity key is only supported for failed job")


def bad_options(reason: str) -> Refusal:
    """InvalidOptionSetOperation."""
    return _bad("0x80048403", reason)


def option_taken() -> Refusal:
    """PicklistValueNotUnique."""
    return _bad("0x80044310", "The picklist value already exists.  Picklist values must be unique.")


def option_set_in_use() -> Refusal:
    """CannotDeleteInUseOptionSet."""
    return _bad("0x80048417", "This option set cannot be deleted. The current set of columns use this option set.")
