"""What the service answers when it does not do what it was asked: one exception, and the texts and codes it carries.

Source: Microsoft Learn, "Web service error codes" and "Compose HTTP requests and handle errors".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

HELP_LINK = "https://go.microsoft.com/fwlink/?linkid=2195293"


class Refusal(Exception):  # noqa: N818 - it is the service's word, and no fault of ours
    """A refused request: HTTP `status`, the service's `code` and `message`, and headers to send along.

    `in_payload` marks what the deserialiser finds: it comes before anything that is found row by row. `details` are
    told to those who ask for annotations.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        in_payload: bool = False,
        details: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = tuple(headers)
        self.in_payload = in_payload
        self.details = details


class RowRefusal(Exception):  # noqa: N818 - as above
    """The refusal of one row of many; `index` counts in the order of the request."""

    def __init__(self, index: int, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.index = index
        self.refusal = refusal

    @property
    def rank(self) -> tuple[bool, int]:
        """Payload problems first, then the first row."""
        return (not self.refusal.in_payload, self.index)


def payload(table: str, inner: str) -> Refusal:
    """The body cannot be read as a row of `table`."""
    text = (
        f"Error identified in Payload provided by the user for Entity :'{table}', For more information on this error "
        f"please follow this help link {HELP_LINK}  ---->  InnerException : Microsoft.OData.ODataException: {inner}"
    )
    return Refusal(400, "0x80048d19", text, in_payload=True)


def bad_literal(table: str, value: object, edm: str) -> Refusal:
    """A value of the wrong JSON type or form."""
    if isinstance(value, list | dict):
        node = "StartArray" if isinstance(value, list) else "StartObject"
        return payload(
            table,
            f"An unexpected '{node}' node was found when reading from the JSON reader. A 'PrimitiveValue' node was "
            "expected.",
        )
    return payload(table, f"Cannot convert the literal '{_shown(value)}' to the expected type '{edm}'.")


def wrong_type(table: str, found: object) -> Refusal:
    """A body that says it is a row of another table."""
    return payload(
        table,
        f"A resource with type '{_shown(found)}' was found, but it is not assignable to the expected type "
        f"'Microsoft.Dynamics.CRM.{table}'.",
    )


def unknown_property(table: str, name: str) -> Refusal:
    """A member that the table does not have."""
    return payload(
        table,
        f"Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{table}'. The property '{name}' does "
        f"not exist on type 'Microsoft.Dynamics.CRM.{table}'. Make sure to only use property names that are defined "
        "by the type.",
    )


def undeclared_navigation(table: str, name: str) -> Refusal:
    """A bind to something that is no navigation property."""
    return payload(
        table,
        f"An undeclared property '{name}' which only has property annotations in the payload but no property value "
        "was found in the payload. In OData, only declared navigation properties and declared named streams can be "
        "represented as properties without values.",
    )


def query(message: str) -> Refusal:
    """A query option that cannot be understood."""
    return Refusal(400, "0x80060888", message)


def no_property(table: str, name: str) -> Refusal:
    """A query names a property that the table does not have."""
    return query(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table}'.")


def no_segment(segment: str) -> Refusal:
    """No such entity set, function or action."""
    return Refusal(404, "0x8006088a", f"Resource not found for the segment '{segment}'.")


def no_resource() -> Refusal:
    """Nothing answers to this URL; an action or a function not to this verb either."""
    return Refusal(404, "0x8006088a", "No HTTP resource was found that matches the request URI.")


def no_row(table: str, row_id: str) -> Refusal:
    """No row has this id."""
    return Refusal(404, "0x80040217", f"{table} With Id = {row_id} Does Not Exist")


def no_row_by_key(table: str) -> Refusal:
    """No row has these key values."""
    return Refusal(404, "0x80060891", f"A record with the specified key values does not exist in {table} entity")


def no_key(table: str) -> Refusal:
    """These columns are no key of the table, or not an active one."""
    return Refusal(
        400,
        "0x80060890",
        f"The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{table}'. Ensure that the names "
        "and number of key properties match the declared or alternate key properties for the resource "
        f"'Microsoft.Dynamics.CRM.{table}'.",
    )


def invalid(code: str, message: str) -> Refusal:
    """A value that the platform does not take."""
    return Refusal(400, code, f"A validation error occurred.  {message}")


def not_built(what: str) -> Refusal:
    """A part of the real service that the stand-in does not have."""
    return Refusal(501, "0x80048d1b", f"{what} has not yet been implemented.")


def wrong_verb() -> Refusal:
    """The resource exists, but not for this method."""
    return Refusal(405, "0x80060888", "The requested resource does not support this HTTP method.")


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 else text[:100] + "..."
