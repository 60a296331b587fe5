"""Wanted against present: which records are new or changed, which rows are dropped, as SQL over the job's tables.

    records     one narrow row per record that the source filter kept: row_no, ok, kh (hash of the key as the server
                sees it), rh (hash of all compared values), "!reported"
    present     one row per destination row: id UUID, "!page" (which page brought it), the read columns in canonical
                form, "!touched" (when it was created or changed; only where rows can be dropped), kh and rh as in
                `records`; rh is NULL for a row that was removed before
    candidates  the key hashes that need a closer look: one side only, or other values
    closer      the records that need a closer look, and all that are not ok, as the source told them
    wanted      whole rows (see `mapping/compose.py`) of the records that need a closer look, and of all that are not ok
    pairs       wanted and present side by side, joined on the real key
    fresh       row_no of the records without a row
    dropped     id, key, kept (BOOLEAN) of the rows without a record

Two passes: the first joins only (key hash, row hash), the second looks at whole rows of the few that differ. Records
that were rejected still hold their key (`wanted` keeps them with ok = FALSE), so their rows are never dropped.
"""

from __future__ import annotations

from shared.canonical import Form, compared, key_form, key_hash, read_member, settle, wire_member
from shared.columns import TypedSource
from shared.mapping.build import Prepared
from shared.mapping.compose import Mapping, Target, key_display, wanted_query
from shared.pages import PAGE_FILE, page_relation
from shared.sql import identifier
from shared.values.changes import Action

_PAGE_NUMBER = f"parse_filename({identifier(PAGE_FILE)}, TRUE)::UINTEGER"


def read_forms(prepared: Prepared) -> tuple[Form, ...]:
    """The columns that `present` holds beside the id: mapped and readable ones, and the extra ones."""
    mapping = prepared.mapping
    mapped = [t.form for t in mapping.targets if t.form.column.readable and t.name != mapping.id_column]
    return (*mapped, *prepared.extra)


def present_table(prepared: Prepared) -> str:
    """The statement that creates the empty `present`."""
    columns = ["id UUID", '"!page" UINTEGER']
    columns += [f"{identifier(form.name)} {form.sql_type}" for form in read_forms(prepared)]
    columns += ['"!touched" TIMESTAMP'] if can_drop(prepared) else []
    return f"CREATE OR REPLACE TABLE present ({', '.join([*columns, 'kh UBIGINT', 'rh UBIGINT'])})"


def pages_read(prepared: Prepared) -> str:
    """The relation of spooled pages (`$files`: list of paths, each named by its number), as Dataverse gave them."""
    return page_relation(prepared.mapping.id_column, read_forms(prepared), stamps=prepared.removal.stamps)


def page_rows(prepared: Prepared, read: str | None = None) -> str:
    """A SELECT over spooled pages (`pages_read`, or a table `read` of them) that yields `present` rows."""
    mapping = prepared.mapping
    forms = read_forms(prepared)
    stamps = prepared.removal.stamps
    values = [f"{identifier(mapping.id_column)} AS id", f'{_PAGE_NUMBER} AS "!page"']
    values += [f"{settle(form, identifier(form.column.read_name))} AS {identifier(form.name)}" for form in forms]
    values += [f'greatest({", ".join(map(identifier, stamps))}) AS "!touched"'] if stamps else []
    return f"""
        WITH page AS (
            SELECT {", ".join(values)}
            FROM {read or pages_read(prepared)}
        )
        SELECT *, {_key_hash(mapping, "page")} AS kh, {_present_hash(prepared, "page")} AS rh FROM page
    """


def _key_hash(mapping: Mapping, alias: str) -> str:
    names = {form.name: present_column(mapping, form.name, alias) for form in mapping.key_forms}
    return key_hash(mapping.key_forms, names, accent_sensitive=mapping.accent_sensitive)


def present_column(mapping: Mapping, name: str, alias: str) -> str:
    """SQL of a key column of a row of `present`."""
    return f"{alias}.id" if name == mapping.id_column else f"{alias}.{identifier(name)}"


def _present_hash(prepared: Prepared, alias: str) -> str:
    values = [compared(t.form, f"{alias}.{identifier(t.name)}", key=t.key) for t in prepared.mapping.compared]
    hashed = f"hash({', '.join(values)})" if values else "0::UBIGINT"
    removed = removed_before(prepared, alias)
    return f"CASE WHEN {removed} THEN NULL ELSE {hashed} END" if removed else hashed


def removed_before(prepared: Prepared, alias: str, prefix: str = "") -> str | None:
    """SQL: the row was expired or deactivated before; None when this sync does neither."""
    removal = prepared.removal
    if removal.action is Action.EXPIRE and removal.expire:
        return f"{alias}.{identifier(prefix + removal.expire.name)} IS NOT NULL"
    if removal.action is Action.DEACTIVATE and removal.state:
        return f"coalesce({alias}.{identifier(prefix + removal.state.name)} <> 0, FALSE)"
    return None


MET_TWICE = "SELECT count(*) - count(DISTINCT id) FROM present"
"""How many rows two pages brought, because the table changed while it was read."""

DEDUPLICATE_PRESENT = """
    DELETE FROM present WHERE rowid IN (
        SELECT number FROM (
            SELECT rowid AS number, row_number() OVER (PARTITION BY id ORDER BY "!page" DESC) AS nth FROM present
        ) WHERE nth > 1
    )
"""
"""A row that two pages brought counts once, as it was read last: its key may have changed in between."""


def repeated_records(mapping: Mapping, keep: str) -> str:
    """row_no of records whose key another record has too; `keep`: none (reject), first or last survives."""
    keys = ", ".join(_wanted_key(mapping, form, "w") for form in mapping.key_forms)
    order = "DESC" if keep == "last" else "ASC"
    survivor = "" if keep == "reject" else "AND nth > 1"
    return f"""
        SELECT row_no, times FROM (
            SELECT row_no, count(*) OVER same AS times,
                   row_number() OVER (PARTITION BY {keys} ORDER BY row_no {order}) AS nth
            FROM wanted w
            WHERE ok AND kh IN (SELECT kh FROM wanted WHERE ok GROUP BY kh HAVING count(*) > 1)
            WINDOW same AS (PARTITION BY {keys})
        ) WHERE times > 1 {survivor}
    """


def _wanted_key(mapping: Mapping, form: Form, alias: str) -> str:
    return key_form(form, f"{alias}.{identifier(form.name)}", accent_sensitive=mapping.accent_sensitive)


def same_key(mapping: Mapping, wanted: str, present: str) -> str:
    """SQL: both sides have the same key as the server sees it."""
    tests = []
    for form in mapping.key_forms:
        right = key_form(form, present_column(mapping, form.name, present), accent_sensitive=mapping.accent_sensitive)
        tests.append(f"{_wanted_key(mapping, form, wanted)} = {right}")
    return " AND ".join(tests)


def ambiguous_records(mapping: Mapping) -> str:
    """row_no of records whose key several destination rows have, and how many."""
    return f"""
        SELECT w.row_no, count(*) AS times
        FROM (SELECT * FROM wanted WHERE ok AND kh IN (FROM twins)) w
        JOIN (SELECT * FROM present WHERE kh IN (FROM twins)) p ON {same_key(mapping, "w", "p")}
        GROUP BY w.row_no HAVING count(*) > 1
    """


TWINS = """
    CREATE OR REPLACE TABLE twins AS
    SELECT kh FROM present WHERE kh IS NOT NULL GROUP BY kh HAVING count(*) > 1
"""

CANDIDATES = """
    CREATE OR REPLACE TABLE candidates AS
    SELECT coalesce(w.kh, p.kh) AS kh
    FROM (SELECT kh, rh FROM records WHERE ok) w
    FULL JOIN (SELECT kh, rh FROM present WHERE kh IS NOT NULL) p ON w.kh = p.kh
    WHERE (w.rh = p.rh) IS NOT TRUE
"""


CLOSER_ROWS = """
    CREATE OR REPLACE TABLE closer_rows AS
    SELECT row_no FROM records
    WHERE NOT ok OR "!reported" OR kh IN (FROM candidates) OR kh IN (FROM twins)
       OR kh IN (SELECT kh FROM records WHERE ok GROUP BY kh HAVING count(*) > 1)
"""
"""Which staged records need a closer look: bad ones, doubles, and those that may differ."""

CLOSER = "closer"
"""The relation that holds these records."""


def closer(*, copied: bool) -> str:
    """The statement that makes `closer`: a table, or a view where so many are not worth a copy."""
    kind = "TABLE" if copied else "VIEW"
    return f"CREATE OR REPLACE {kind} {CLOSER} AS SELECT * FROM source WHERE row_no IN (FROM closer_rows)"


def records(mapping: Mapping, source: TypedSource) -> str:
    """The statement that fills `records`; it takes the source's parameters."""
    query = wanted_query(mapping, source)
    return f'CREATE OR REPLACE TABLE records AS SELECT row_no, ok, kh, rh, "!reported" FROM ({query})'


def wanted(mapping: Mapping, source: TypedSource) -> str:
    """The statement that fills `wanted`; `source` is composed over `CLOSER`."""
    return f"CREATE OR REPLACE TABLE wanted AS {wanted_query(mapping, source)}"


_CLOSER_WANTED = "(SELECT * FROM wanted WHERE ok AND kh IN (FROM candidates))"


def pairs(prepared: Prepared, records: str = _CLOSER_WANTED) -> str:
    """The statement that puts wanted and present side by side where they may differ; `records` of the wanted ones."""
    mapping = prepared.mapping
    before = "".join(
        f", p.{identifier(form.name)} AS {identifier('before.' + form.name)}" for form in read_forms(prepared)
    )
    return f"""
        CREATE OR REPLACE TABLE pairs AS
        SELECT w.*, p.id AS "!id"{before}
        FROM {records} w JOIN present p ON p.kh = w.kh AND {same_key(mapping, "w", "p")}
    """


FRESH = """
    CREATE OR REPLACE TABLE fresh AS
    SELECT row_no FROM wanted
    WHERE ok AND kh IN (FROM candidates) AND row_no NOT IN (SELECT row_no FROM pairs)
"""


def dropped(prepared: Prepared) -> str:
    """The statement that lists the rows without a record; `kept` where a rule protects the row.

    Parameters: `$began`, the instant the job began reading the source, in UTC by the server's clock. A row without a
    key value cannot be said to be missing from the source, so it is kept.
    """
    mapping = prepared.mapping
    forms = [form for form in mapping.key_forms if form.name != mapping.id_column]
    key = key_display(forms, "p") if forms else "p.id::VARCHAR"
    return f"""
        CREATE OR REPLACE TABLE dropped AS
        SELECT p.id, {key} AS key,
               {_protected(prepared)} AS kept
        FROM present p
        WHERE p.kh IS NULL OR (p.kh IN (FROM candidates) AND p.kh NOT IN (SELECT kh FROM wanted WHERE kh IS NOT NULL))
    """


def _protected(prepared: Prepared) -> str:
    if not can_drop(prepared):
        return "TRUE"
    # Without a row hash: it was removed before.
    return 'coalesce(p.kh IS NULL OR p.rh IS NULL OR p."!touched" >= $began, FALSE)'


def can_drop(prepared: Prepared) -> bool:
    """Whether this sync removes dropped rows at all; only then are the stamps read."""
    return prepared.removal.action is not None


def differs(target: Target, wanted: str = "w") -> str:
    """SQL over a pair: this cell must be sent."""
    ours = compared(target.form, f"{wanted}.{identifier(target.name)}", key=target.key)
    theirs = compared(target.form, f"{wanted}.{identifier('before.' + target.name)}", key=target.key)
    test = f"{ours} IS DISTINCT FROM {theirs}"
    return f"(NOT {wanted}.{identifier(target.name + '?')} AND {test})" if target.may_be_absent else f"({test})"


def member(target: Target, alias: str = "w") -> str:
    """SQL of a wanted cell as a request's JSON member."""
    entity_sql = f"{alias}.{identifier(target.entity_column)}" if target.entity_column else None
    return wire_member(target.form, f"{alias}.{identifier(target.name)}", entity=target.entity, entity_sql=entity_sql)


def changed_members(mapping: Mapping) -> str:
    """SQL over a pair: the members that differ, each with a leading comma; empty when nothing does."""
    parts = [f"CASE WHEN {differs(t)} THEN ',' || {member(t)} ELSE '' END" for t in mapping.compared]
    return " || ".join(parts) or "''"


def former_members(mapping: Mapping) -> str:
    """SQL over a pair: what the members that differ hold now, each with a leading comma."""
    parts = [
        f"CASE WHEN {differs(t)} THEN ',' || {read_member(t.form, 'w.' + identifier('before.' + t.name))} ELSE '' END"
        for t in mapping.compared
    ]
    return " || ".join(parts) or "''"
