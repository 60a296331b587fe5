"""What a draft keeps for the rejects that may come of it: the records, and which open rejects were read again."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from shared.canonical import Form, key_form
from shared.columns import TypedSource
from shared.engine.cases.ledger import RECORDS, SEEN
from shared.engine.workspace import Workspace
from shared.mapping.compose import Mapping, wanted_query
from shared.reconcile import CLOSER
from shared.sql import identifier, literal

SEPARATOR = "chr(31)"
_TO_PARQUET = "(FORMAT parquet, COMPRESSION snappy)"
"""They live until the job ends, and as a rule few of them longer: quick to write counts."""
_LANDS = """
    row_no NOT IN (
        SELECT row_no FROM wanted WHERE NOT ok
        UNION ALL SELECT row_no FROM fates WHERE bucket IN ('ignored', 'outside', 'stale')
        UNION ALL SELECT row_no FROM fates WHERE bucket = 'asked_to_delete'
            AND row_no NOT IN (SELECT row_no FROM plan WHERE row_no IS NOT NULL)
    )
"""
"""Of a record that was read: by the plan its row holds its values in the end, or is gone as it asks."""
_KEPT_ROWS = """
    SELECT row_no FROM plan WHERE row_no IS NOT NULL
    UNION SELECT row_no FROM rejects WHERE rejecting AND row_no IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The records that the source's filter left out; of another `choice` of records it tells nothing."""

    records: TypedSource
    choice: str


def note_records(
    workspace: Workspace, mapping: Mapping, folder: Path, ledger: Path | None, left_out: LeftOut | None
) -> dict[str, Path]:
    """The records that are planned or rejected, with their keys; and of the open rejects, the keys read again.

    `ledger` is the list of open rejects, when there are any; `left_out` is told where the filter may have left some.
    """
    files = {}
    if workspace.value(f"SELECT count(*) FROM ({_KEPT_ROWS})"):
        files[RECORDS] = folder / RECORDS
        workspace.run(f"COPY ({_records(mapping)}) TO {literal(str(files[RECORDS]))} {_TO_PARQUET}")
    if ledger is not None:
        beside = folder / "ledger.parquet"
        shutil.copyfile(ledger, beside)
        files[SEEN] = folder / SEEN
        _note_read(workspace, mapping, left_out)
        choice = left_out.choice if left_out else ""
        workspace.run(f"COPY ({_seen(mapping, beside, choice)}) TO {literal(str(files[SEEN]))} {_TO_PARQUET}")
        beside.unlink()
    return files


def key_columns(mapping: Mapping) -> str:
    """The names of the sync key's columns, as one text."""
    return " ".join(mapping.key)


def _records(mapping: Mapping) -> str:
    keys = [_canonical(mapping, form) for form in mapping.key_forms]
    missing = " OR ".join(f"{key} IS NULL" for key in keys)
    canonical = f"CASE WHEN {missing} THEN NULL ELSE concat_ws({SEPARATOR}, {', '.join(keys)}) END"
    return f"""
        SELECT s.*, {canonical} AS "!canonical", {literal(key_columns(mapping))} AS "!keys"
        FROM {CLOSER} s JOIN (SELECT * FROM wanted WHERE row_no IN ({_KEPT_ROWS})) w ON w.row_no = s.row_no
    """


def _canonical(mapping: Mapping, form: Form) -> str:
    return f"({key_form(form, f'w.{identifier(form.name)}', accent_sensitive=mapping.accent_sensitive)})::VARCHAR"


def _seen(mapping: Mapping, ledger: Path, choice: str) -> str:
    """The canonical keys among the open rejects that some record of this job has, or one that its filter left out.

    `lands`: by the plan such a record lands.
    """
    parts = f"string_split(canonical, {SEPARATOR})"
    typed = [f"try_cast({parts}[{n}] AS {form.sql_type})" for n, form in enumerate(mapping.key_forms, start=1)]
    return f"""
        SELECT DISTINCT canonical, coalesce(r.lands, FALSE) AS lands
        FROM (
            SELECT canonical, choice, hash({", ".join(typed)}) AS kh FROM read_parquet({literal(str(ledger))})
            WHERE keys = {literal(key_columns(mapping))} AND canonical IS NOT NULL
        ) c LEFT JOIN read_keys r ON r.kh = c.kh
        WHERE r.kh IS NOT NULL OR (choice = {literal(choice)} AND c.kh IN (FROM left_out_keys))
    """


def _note_read(workspace: Workspace, mapping: Mapping, left_out: LeftOut | None) -> None:
    """Fill `read_keys` and `left_out_keys`: the hashes of all keys that were read, and of those that were left out."""
    read = f"SELECT kh, bool_or({_LANDS}) AS lands FROM records WHERE kh IS NOT NULL GROUP BY kh"
    workspace.run(f"CREATE OR REPLACE TABLE read_keys AS {read}")
    workspace.run("CREATE OR REPLACE TABLE left_out_keys AS SELECT kh FROM read_keys LIMIT 0")
    if left_out is not None:
        keys = f"SELECT DISTINCT kh FROM ({wanted_query(mapping, left_out.records)}) WHERE kh IS NOT NULL"
        workspace.run(f"INSERT INTO left_out_keys {keys}", left_out.records.parameters)
