"""The refusals that faults give. Codes as in "Web service error codes"; the wording of rights is the plausible one."""

from __future__ import annotations

from local.dataverse.faults.asked import Asked
from local.dataverse.faults.kinds import Fault, FaultKind
from local.dataverse.refusals import Refusal

_SQL = "Sql error: {what}. CRM ErrorCode: {number} Sql ErrorCode: -2146232060 Sql Number: {sql}"
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


def refusal(fault: Fault, asked: Asked, caller: str) -> Refusal | None:
    """What a fault answers before any work; None when it does not refuse this request."""
    if fault.kind not in REFUSING or (fault.kind is FaultKind.COLUMN_SECURITY and asked.method == "GET"):
        return None
    status, code, text = _usual(fault, asked, caller)
    headers = tuple(fault.headers.items())
    return Refusal(fault.status or status, fault.code or code, fault.text or text, headers=headers)


def _usual(fault: Fault, asked: Asked, caller: str) -> tuple[int, str, str]:
    match fault.kind:
        case FaultKind.DEADLOCK:
            return 500, "0x80044150", _SQL.format(what="Generic SQL error", number=-2147204784, sql=1205)
        case FaultKind.SQL_TIMEOUT:
            return 500, "0x80044151", _SQL.format(what="SQL timeout expired", number=-2147204783, sql=-2)
        case FaultKind.USER_DISABLED:
            return 403, "0x80040225", f"The user with id {caller} has been disabled."
        case FaultKind.NOT_MEMBER:
            return 403, "0x80072560", "The user is not a member of the organization."
        case FaultKind.PRIVILEGE:
            return 403, "0x80040220", _privilege(fault, asked, caller)
        case FaultKind.COLUMN_SECURITY:
            return 403, "0x8004f507", _column(fault, asked, caller)
        case _:
            return 503, "", "The service is unavailable."


def _privilege(fault: Fault, asked: Asked, caller: str) -> str:
    name = fault.privilege or asked.privileges[0]
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
