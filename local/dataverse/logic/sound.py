"""Whether what a person hands in can ever act: a step, a fault or an action that never would is a mistake in a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from local.dataverse.documents import DocumentError
from local.dataverse.faults.kinds import Fault, FaultKind
from local.dataverse.logic.operations import Operation
from local.dataverse.logic.steps import MESSAGES
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Table, Tables
from local.dataverse.writes.plans import Planner

_BUILT_IN = frozenset(("$batch", "$metadata", "BulkDelete", "RetrieveTotalRecordCount", "WhoAmI"))
_PRIVILEGES = ("Create", "Write", "Read", "Delete")


def check_step(tables: Tables, table: str, message: str, columns: Sequence[str]) -> None:
    """Looks whether a step can run.

    Raises:
        DocumentError: it names a table, a message or a column that is not there.
    """
    _known("step", "table", table, tables.by_name)
    _known("step", "message", message, MESSAGES)
    if not table:
        return
    there = {*tables.by_name[table].columns, *tables.by_name[table].navigations}
    for column in columns:
        _known("step", "column", column, there)


def check_fault(tables: Tables, fault: Fault) -> None:
    """Looks whether a fault can come. Messages are not looked at: an action that is declared later is one, too.

    Raises:
        DocumentError: it names a table that is not there, or no column where its kind needs one.
    """
    _known("fault", "table", fault.table, tables.by_name)
    if fault.kind is FaultKind.PRIVILEGE and not fault.privilege.startswith("prv"):
        _known("fault", "privilege", fault.privilege, _PRIVILEGES)
    if fault.kind is not FaultKind.COLUMN_SECURITY:
        return
    if not fault.column:
        raise DocumentError("fault.column: found nothing; a fault of the kind column_security needs the column's name")
    chosen = [tables.by_name[fault.table]] if fault.table else tables.by_name.values()
    _known("fault", "column", fault.column, {name for table in chosen for name in (*table.columns, *table.navigations)})


def check_operation(tables: Tables, operation: Operation) -> None:
    """Looks whether an operation can be asked and done.

    Raises:
        DocumentError: its name hides something, or it names a table or a column that is not there.
    """
    for table in (operation.bound_to, operation.does.table):
        _known(operation.name, "table", table, tables.by_name)
    if not operation.bound_to and (operation.name in tables.by_set or operation.name in _BUILT_IN):
        raise DocumentError(
            f"{operation.name}: the name is that of an entity set or of a message that the service has; choose another"
        )
    target = operation.does.table or operation.bound_to
    if operation.does.set and target:
        check_columns(tables.by_name[target], operation.does.set, operation.name)


def check_columns(table: Table, names: Iterable[str], where: str) -> None:
    """Looks whether the members of a row can be written.

    Raises:
        DocumentError: one is none of the table's.
    """
    for name in names:
        try:
            Planner(table, creating=False).plan((name,))
        except Refusal:
            there = ", ".join(sorted({*table.columns, *table.navigations}))
            raise DocumentError(
                f"{where}: does.set: found {name!r}, which {table.name} does not take; there are {there}"
            ) from None


def _known(where: str, what: str, name: str, there: Iterable[str]) -> None:
    known = sorted(there)
    if name and name not in known:
        raise DocumentError(f"{where}.{what}: found {name!r}; allowed: {', '.join(known)}")
