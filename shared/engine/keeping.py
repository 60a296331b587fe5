"""Keeps every deleted row whole in the plan."""

from __future__ import annotations

import orjson

from shared.dataverse.client import DataverseClient
from shared.engine.readback import readable_columns, without_annotations
from shared.engine.workspace import Workspace
from shared.values.tables import Table

_DELETED_AT_A_TIME = 500


def keep_deleted_rows(workspace: Workspace, client: DataverseClient, table: Table) -> list[str]:
    """A deleted row is kept whole in the plan, so that it can be made again; gives the ids of these rows."""
    rows = workspace.rows("SELECT id::VARCHAR FROM plan WHERE action = 'delete'")
    ids = [str(row_id) for (row_id,) in rows]
    for start in range(0, len(ids), _DELETED_AT_A_TIME):
        some = ids[start : start + _DELETED_AT_A_TIME]
        found = client.rows_by_id(table, some, readable_columns(table))
        texts = [{"id": row_id, "row": without_annotations(row)} for row_id, row in found.items()]
        path = workspace.spooled("deleted.json", orjson.dumps(texts))
        workspace.run(
            "UPDATE plan SET before = page.row::VARCHAR FROM read_json($files, columns = {id: 'UUID', row: 'JSON'},"
            " format = 'array') page WHERE plan.id = page.id",
            {"files": [str(path)]},
        )
        path.unlink()
    return ids
