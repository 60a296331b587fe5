"""What the service answers to a FetchXML query that it does not take: one function per code.

Source: Microsoft Learn, "Web service error codes" (the names that begin with QueryBuilder).
"""

from __future__ import annotations

from local.dataverse.refusals import Refusal


def invalid_xml(reason: str) -> Refusal:
    """The text is no XML."""
    return Refusal(400, "0x80040201", f"Invalid XML: {reason}")


def invalid_node(name: str, where: str) -> Refusal:
    """An element or an attribute that does not belong there."""
    return Refusal(400, "0x8004111c", f"Invalid Child Node, valid nodes are not '{name[:100]}' in '{where[:100]}'.")


def invalid(message: str) -> Refusal:
    """An argument that is not as it must be."""
    return Refusal(400, "0x80040203", message)


def no_entity(name: str) -> Refusal:
    """No such table."""
    return Refusal(
        400,
        "0x80041102",
        f"The entity with a name = '{name[:200]}' with namemapping = 'Logical' was not found in the MetadataCache.",
    )


def no_attribute(table: str, name: str) -> Refusal:
    """No such column."""
    return Refusal(
        400,
        "0x80041103",
        f"'{table}' entity doesn't contain attribute with Name = '{name[:200]}' and NameMapping = 'Logical'.",
    )


def bad_operator(name: str) -> Refusal:
    """No such operator."""
    return Refusal(400, "0x80041120", f"Invalid condition operator '{name[:100]}'.")


def bad_value(message: str) -> Refusal:
    """A value or a column that does not fit the operator."""
    return Refusal(400, "0x80041108", message)


def bad_link(name: str) -> Refusal:
    """No such kind of join."""
    return Refusal(400, "0x80041117", f"Invalid link-type '{name[:100]}'; valid values are 'inner' and 'outer'.")


def no_links() -> Refusal:
    """A join that an elastic table does not have."""
    return Refusal(400, "0x80048d0b", "Link entities are not supported")


def bad_alias(name: str) -> Refusal:
    """An alias that is missing, given twice or malformed."""
    return Refusal(400, "0x80041109", f"The alias '{name[:100]}' is missing, not unique, or not a valid name.")


def unknown_alias(name: str) -> Refusal:
    """A name of a link that the query does not have."""
    return Refusal(400, "0x8004110a", f"The alias '{name[:100]}' does not exist in the query.")


def mixed_aggregate(name: str) -> Refusal:
    """A plain column in an aggregate query."""
    return Refusal(
        400,
        "0x80041107",
        f"An attribute can not be requested when an aggregate operation has been specified and its neither groupby not "
        f"aggregate. NodeXml: {name[:100]}",
    )


def too_nested() -> Refusal:
    """Elements inside elements inside elements."""
    return invalid("The query is nested too deeply.")
