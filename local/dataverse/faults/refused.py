"""The refusals that faults give. Codes as in "Web service error codes"; the wording of rights is the plausible one."""

from __future__ import annotations

from local.dataverse.faults.asked import Asked
from local.dataverse.faults.kinds import Fault, FaultKind
from local.dataverse.limits import Limits
from local.dataverse.limits.allowance import REQUESTS, text_of
from local.dataverse.refusals import Refusal

REFUSING = frozenset(
    (
        FaultKind.STATUS,
        FaultKind.DEADLOCK,
        FaultKind.SQL_TIMEOUT,
        FaultKind.USER_DISABLED,
        FaultKind.NOT_MEMBER,
        FaultKind.PRIVILEGE,
        FaultKind.COLUMN_SECURITY,
    )
)
"""Kinds that refuse a request, and so may also refuse one operation of a batch."""
_THROTTLED = 429
_STATUSES = {
    429: (429, REQUESTS, text_of(REQUESTS, Limits())),
    500: (500, "0x80040216", "An unexpected error occurred."),
    502: (502, "", "The server got an invalid answer from the one behind it."),
    503: (503, "", "The service is unavailable."),
    504: (504, "", "The one behind the server did not answer in time."),
}
"""Code and text of a fault that names a status alone; what 429 says is what the limits say."""


def refusal(fault: Fault, asked: Asked, caller: str) -> Refusal | None:
    """What a fault answers before any work; None when it does not refuse this request."""
    if fault.kind not in REFUSING or (fault.kind is FaultKind.COLUMN_SECURITY and asked.method == "GET"):
        return None
    status, code, text = _usual(fault, asked, caller)
    headers = dict(fault.headers)
    if fault.status == _THROTTLED and "retry-after" not in {name.lower() for name in headers}:
        headers["Retry-After"] = "1"
    return Refusal(fault.status or status, fault.code or code, fault.text or text, headers=tuple(headers.items()))


def _usual(fault: Fault, asked: Asked, caller: str) -> tuple[int, str, str]:
    usual: dict[FaultKind, tuple[int, str, str]] = {
        FaultKind.STATUS: _STATUSES.get(fault.status or 503, (0, "", "The server refused this request.")),
        FaultKind.DEADLOCK: (500, "0x80044150", _sql("Generic SQL error", -2147204784, 1205)),
        FaultKind.SQL_TIMEOUT: (500, "0x80044151", _sql("SQL timeout expired", -2147204783, -2)),
        FaultKind.USER_DISABLED: (403, "0x80040225", f"The user with id {caller} has been disabled."),
        FaultKind.NOT_MEMBER: (403, "0x80072560", "The user is not a member of the organization."),
        FaultKind.PRIVILEGE: (403, "0x80040220", _privilege(fault, asked, caller)),
        FaultKind.COLUMN_SECURITY: (403, "0x8004f507", _column(fault, asked, caller)),
    }
    return usual[fault.kind]


def _sql(what: str, number: int, sql: int) -> str:
    return f"Sql error: {what}. CRM ErrorCode: {number} Sql ErrorCode: -2146232060 Sql Number: {sql}"


def _privilege(fault: Fault, asked: Asked, caller: str) -> str:
    name = fault.privilege or next(iter(asked.privileges), "")
    return (
        f"Principal user (Id={caller}, type=8) is missing prv{name}{asked.table.capitalize()} privilege "
        f"for entity '{asked.table}'."
    )


def _column(fault: Fault, asked: Asked, caller: str) -> str:
    verb = "create" if asked.message.startswith("Create") else "update"
    return (
        f"Caller user with Id {caller} does not have {verb} permissions for the secured column '{fault.column}' of "
        f"the entity '{asked.table}'."
    )
