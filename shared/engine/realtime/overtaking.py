"""A batch job beside a listener: record by record, the ledger says who is newer.

A record of a batch job is stale where the listener has applied a newer version of it; without versions, where it has
applied any event since the job began. What the job writes it claims (`claiming`), where there are versions, so that an
older message does not undo it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.columns import TypedColumn, TypedSource
from shared.definitions.sync import SyncDefinition
from shared.engine.realtime.hearing import ledger_key_sql, version_column, version_sql
from shared.engine.rejecting import Rejections
from shared.engine.workspace import Workspace
from shared.mapping.build import Prepared
from shared.ports import Ledger
from shared.sql import literal
from shared.values.events import LedgerEntry

_AT_A_TIME = 500
_HEARD = "CREATE OR REPLACE TABLE heard (key VARCHAR, version VARCHAR, applied_at TIMESTAMP)"


@dataclass(frozen=True, slots=True)
class Overtaking:
    """Compares one job with the ledger. `began` is when the job began; of a replay, `read` tells by row number when
    each record was read first.
    """

    ledger: Ledger
    definition: SyncDefinition
    began: datetime
    read: Sequence[tuple[int, datetime]] = ()

    def prepared(self, prepared: Prepared, typed: TypedSource) -> Prepared:
        """The mapping with the version watched, where the listener has one."""
        column = self._version(typed)
        if column is None or column in prepared.mapping.watched:
            return prepared
        return replace(prepared, mapping=replace(prepared.mapping, watched=(*prepared.mapping.watched, column)))

    def _version(self, typed: TypedSource) -> TypedColumn | None:
        listener = self.definition.listener
        return version_column(listener, typed) if listener else None

    def set_aside(self, workspace: Workspace, prepared: Prepared, typed: TypedSource, rejections: Rejections) -> None:
        """Set the records aside that the listener has overtaken, and keep the versions of the others."""
        version = version_sql(self._version(typed))
        key = ledger_key_sql(prepared.mapping, "w")
        workspace.run(
            f"CREATE OR REPLACE TABLE told_versions AS SELECT w.row_no, {key} AS key, {version} AS version "
            "FROM wanted w WHERE w.ok"
        )
        workspace.run(_HEARD)
        for entries in self._entries(workspace):
            at = [e.at.replace(tzinfo=None) if e.at else None for e in entries]
            workspace.append("heard", [(e.key, e.version, when) for e, when in zip(entries, at, strict=True)])
        newer = "h.version > t.version" if self._version(typed) is not None else "FALSE"
        began = literal(self.began.strftime("%Y-%m-%d %H:%M:%S.%f"))
        workspace.run("CREATE OR REPLACE TABLE first_read (row_no BIGINT, read_at TIMESTAMP)")
        workspace.append("first_read", self.read)
        later = f"h.applied_at >= coalesce(f.read_at, TIMESTAMP {began})"
        workspace.run(
            "CREATE OR REPLACE TABLE overtaken AS SELECT t.row_no FROM told_versions t JOIN heard h ON h.key = t.key "
            "LEFT JOIN first_read f ON f.row_no = t.row_no "
            f"WHERE CASE WHEN h.version <> '' AND t.version <> '' THEN {newer} ELSE {later} END"
        )
        rejections.fate("FROM overtaken", "stale")
        workspace.run("UPDATE wanted SET ok = FALSE WHERE row_no IN (FROM overtaken)")
        workspace.run("DELETE FROM pairs WHERE row_no IN (FROM overtaken)")

    def _entries(self, workspace: Workspace) -> Iterator[list[LedgerEntry]]:
        keys = [str(key) for (key,) in workspace.rows("SELECT DISTINCT key FROM told_versions")]
        for start in range(0, len(keys), _AT_A_TIME):
            yield list(self.ledger.entries(self.definition.name, keys[start : start + _AT_A_TIME]).values())
