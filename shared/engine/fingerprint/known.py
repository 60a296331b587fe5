"""`present` from what is remembered: changed rows are read, and every row that the plan may touch.

    known   what is remembered of rows that were not read: the columns of a fingerprint
    needs   ids of known rows that the comparison has to look at: a record has their key and other values, several rows
            share their key, or they would be dropped

A known row stands in `present` without values and without a page; only rows that match a record, or that no rule can
touch, stay so. Whatever does not agree is a `Doubt`: then all rows are read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from shared import reconcile
from shared.columns import TypedSource
from shared.dataverse.client import DataverseClient
from shared.dataverse.queries import both
from shared.dataverse.tracking import Changes
from shared.engine import reading
from shared.engine.workspace import Workspace
from shared.mapping.build import Prepared
from shared.mapping.compose import wanted_query
from shared.sql import literal
from shared.values.tables import Table

SAMPLED = 500
"""Rows that are read at every run though nothing says that they changed: about as many as one request carries."""
FEW = 1000
SHARE = 8
"""Ids are read up to 1,000, or one in eight rows: a page holds about eight times as many rows as a request for ids."""
LATE = timedelta(minutes=5)
"""How long before the last link a change may have been made that was not told by then: one still under way."""
_TOUCHED = "modifiedon"


class Doubt(Exception):  # noqa: N818 - no error: a reason to read all rows
    """What is remembered may be wrong, or reading all rows is cheaper."""


@dataclass(frozen=True, slots=True)
class KnownRows:
    """Fills `present` for one draft. `known` is there; `owned` is the filter of the rows that the sync owns.

    `creates`: records without a row are created. `seed` chooses the sample. `typed` composes the typed source over a
    relation of staged records.
    """

    workspace: Workspace
    client: DataverseClient
    table: Table
    prepared: Prepared
    owned: str | None
    creates: bool
    seed: str
    typed: Callable[[str], TypedSource]

    def fill(self, changes: Changes, since: str | None) -> int:
        """Fill `present`; gives the rows that were read because they changed. `since`: what was touched then or later
        is read too.

        Raises:
            Doubt: all rows must be read; `present` is half filled.
        """
        self.workspace.run(reconcile.present_table(self.prepared))
        self._read_touched(since)
        self._read_changed(changes.changed)
        read = self.workspace.value("SELECT count(DISTINCT id) FROM present")
        self._forget(changes.ids)
        self.workspace.run("INSERT INTO present BY NAME SELECT id, kh, rh FROM known")
        self._look_closer()
        self._look_for_fresh()
        return read

    # ---- what changed

    def _read_touched(self, since: str | None) -> None:
        """What was touched lately, page by page; it spares asking for these rows by their ids."""
        if since is None or _TOUCHED not in self.table.columns:
            return
        pages = self.client.pages(self.table, self._columns, filter=both(self.owned, f"{_TOUCHED} ge {since}"))
        self._load("present", pages)

    def _read_changed(self, changed: Collection[str]) -> None:
        """Changed rows that the filter holds and that were not met yet. One that does not come is not ours now."""
        met = {str(row[0]) for row in self.workspace.rows("SELECT id FROM present")}
        self._read("present", sorted(set(changed) - met), "changed")

    def _forget(self, ids: Iterable[str]) -> None:
        self.workspace.run("CREATE OR REPLACE TABLE moved (id VARCHAR)")
        self.workspace.append("moved", [(row_id,) for row_id in ids])
        met = "id IN (SELECT id::UUID FROM moved) OR id IN (SELECT id FROM present)"
        self.workspace.run(f"DELETE FROM known WHERE {met}")

    # ---- what must be seen as it is

    def _look_closer(self) -> None:
        """Read the rows that the plan may touch, and a sample; all must be as they are remembered."""
        self.workspace.run(needs(self.prepared))
        needed = [str(row[0]) for row in self.workspace.rows("SELECT id FROM needs")]
        sampled = f"SELECT id FROM (SELECT id FROM known ORDER BY hash(id, {literal(self.seed)}) LIMIT {SAMPLED})"
        sample = [str(row[0]) for row in self.workspace.rows(sampled)]
        self.workspace.run("CREATE OR REPLACE TABLE reread AS FROM present LIMIT 0")
        self._read("reread", sorted({*needed, *sample}), "different")
        asked = len({*needed, *sample})
        same = "k.kh IS NOT DISTINCT FROM c.kh AND k.rh IS NOT DISTINCT FROM c.rh"
        if self.workspace.value(f"SELECT count(*) FROM known k JOIN reread c ON k.id = c.id AND {same}") != asked:
            raise Doubt("a row is not as it is remembered")
        for table in ("present", "known"):
            self.workspace.run(f"DELETE FROM {table} WHERE id IN (SELECT id FROM reread)")
        self.workspace.run("INSERT INTO present FROM reread")

    def _look_for_fresh(self) -> None:
        """Records without a row are about to be created: no row may have their key after all."""
        fresh = "SELECT row_no FROM records WHERE ok AND kh NOT IN (SELECT kh FROM present WHERE kh IS NOT NULL)"
        count = self.workspace.value(f"SELECT count(*) FROM ({fresh})") if self.creates else 0
        if not count:
            return
        if count > reading.KEY_READS:
            raise Doubt(f"{count:,} records have no row")
        typed = self.typed(f"(SELECT * FROM source WHERE row_no IN ({fresh}))")
        key = self.prepared.mapping.key
        query = f"({wanted_query(self.prepared.mapping, typed)})"
        keys = reading.keys(self.workspace, key, f"{query} w WHERE w.ok", typed.parameters)
        self.workspace.run("CREATE OR REPLACE TABLE elsewhere AS FROM present LIMIT 0")
        rows = self.client.rows_by_key(self.table, key, keys, self._columns, filter=self.owned)
        self._load("elsewhere", reading.as_pages(rows))
        if self.workspace.value("SELECT count(*) FROM elsewhere WHERE id NOT IN (SELECT id FROM present)"):
            raise Doubt("a row is there that was not remembered")

    # ---- reading

    def _read(self, table: str, ids: Collection[str], what: str) -> None:
        most = max(FEW, self.workspace.value("SELECT count(*) FROM known") // SHARE)
        if len(ids) > most:
            raise Doubt(f"{len(ids):,} rows are {what}")
        keys: Iterator[tuple[object, ...]] = ((row_id,) for row_id in ids)
        rows = self.client.rows_by_key(self.table, [self.table.id_column], keys, self._columns, filter=self.owned)
        self._load(table, reading.as_pages(rows))

    def _load(self, table: str, pages: Iterable[reading.PageRows]) -> None:
        last = self.workspace.value('SELECT coalesce(max("!page"), -1) FROM present')
        reading.load_all(self.workspace, table, reconcile.page_rows(self.prepared), pages, first=last + 1)

    @property
    def _columns(self) -> list[str]:
        return reading.selected_columns(self.prepared)


def needs(prepared: Prepared) -> str:
    """The statement that lists the known rows whose values the comparison will look at."""
    dropped = """
        UNION
        SELECT id FROM known k
        WHERE kh IS NOT NULL AND rh IS NOT NULL AND NOT EXISTS (SELECT 1 FROM records r WHERE r.kh = k.kh)
    """
    return f"""
        CREATE OR REPLACE TABLE needs AS
        SELECT k.id FROM known k JOIN records r ON r.ok AND r.kh = k.kh WHERE (k.rh = r.rh) IS NOT TRUE
        UNION
        SELECT k.id FROM known k JOIN records r ON r.ok AND r.kh = k.kh
        WHERE k.kh IN (SELECT kh FROM present WHERE kh IS NOT NULL GROUP BY kh HAVING count(*) > 1)
        {dropped if reconcile.can_drop(prepared) else ""}
    """


UNSEEN = """
    SELECT count(*) FROM known k
    WHERE k.kh IN (SELECT kh FROM wanted WHERE ok AND (kh IN (FROM candidates) OR kh IN (FROM twins)))
       OR k.id IN (SELECT id FROM dropped WHERE NOT kept)
"""
"""How many rows the plan is about to touch though nobody looked at them; after the comparison."""
