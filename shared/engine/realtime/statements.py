"""The SQL of a sync's batches, composed once: composing costs more than a batch of a few events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared import reconcile
from shared.columns import TypedSource
from shared.engine.realtime.hearing import (
    DELETES,
    LEDGER_KEY,
    UPSERTS,
    VERSION,
    Hearing,
    ledger_key_sql,
    version_column,
    version_sql,
)
from shared.engine.rejecting import flagged, unsound
from shared.mapping.build import Prepared
from shared.mapping.compose import Target, wanted_query
from shared.sql import identifier

STEPS = f"""SELECT row_no, ok, {identifier(LEDGER_KEY)}, {identifier(VERSION)} FROM heard"""
AS_TOLD = "CREATE OR REPLACE TABLE wanted AS FROM heard"
"""All of a batch's records at once: to say what is wrong with some, or because one turn takes them all."""
GOOD = "(SELECT * FROM wanted WHERE ok)"
"""Every good record of a turn gets the closer look."""
FRESH = (
    "CREATE OR REPLACE TABLE fresh AS SELECT row_no FROM wanted WHERE ok AND row_no NOT IN (SELECT row_no FROM pairs)"
)
"""All events of the batch, each by itself."""
ONE_EACH = """
    CREATE OR REPLACE TABLE wanted AS SELECT * FROM heard WHERE row_no IN (SELECT row_no FROM turn)
"""


@dataclass(frozen=True, slots=True)
class Statements:
    """One definition's SQL over staged events."""

    create_source: str
    heard_upserts: str
    heard_all: str
    upserts: TypedSource
    deletes: TypedSource
    flagged: TypedSource
    unsound: TypedSource
    fold: str
    present: str
    read: str
    pages: str
    pairs: str
    ambiguous: str
    same_key: str
    new_id: str

    @property
    def parameters(self) -> Mapping[str, object]:
        """Of `heard_all`."""
        return {**self.upserts.parameters, **self.deletes.parameters}


def statements_of(
    hearing: Hearing, prepared: Prepared, upserts: TypedSource, deletes: TypedSource, new_id: str
) -> Statements:
    """All statements of a definition; `upserts` and `deletes` are the typed queries over staged events."""
    mapping = prepared.mapping
    added = f"{ledger_key_sql(mapping, 'w')} AS {identifier(LEDGER_KEY)}"
    added += f", {version_sql(version_column(hearing.listener, upserts))} AS {identifier(VERSION)}"
    ups, downs = wanted_query(mapping, upserts), wanted_query(mapping, deletes)
    head = f"CREATE OR REPLACE TABLE heard AS SELECT *, {added} FROM"
    return Statements(
        create_source=source_table(hearing),
        heard_upserts=f"{head} ({ups}) w",
        heard_all=f"{head} (SELECT * FROM ({ups}) UNION ALL BY NAME SELECT * FROM ({downs})) w",
        upserts=upserts,
        deletes=deletes,
        flagged=hearing.typed(flagged("source")),
        unsound=hearing.typed(unsound("source")),
        fold=_fold(prepared),
        present=reconcile.present_table(prepared),
        read=f"CREATE OR REPLACE TABLE read_rows AS FROM {reconcile.pages_read(prepared)}",
        pages=reconcile.page_rows(prepared, "read_rows"),
        pairs=reconcile.pairs(prepared, GOOD),
        ambiguous=reconcile.ambiguous_records(mapping),
        same_key=reconcile.same_key(mapping, "w", "p"),
        new_id=new_id,
    )


def typed_pair(hearing: Hearing) -> tuple[TypedSource, TypedSource]:
    """The typed queries over staged upserts and deletes."""
    return hearing.typed(UPSERTS), hearing.typed(DELETES, deletes=True)


def source_table(hearing: Hearing) -> str:
    """The statement that creates the empty table of staged events."""
    names = hearing.shape.columns
    columns = [f"{identifier(name)} VARCHAR" for name in names]
    columns += [f"{identifier(name + '?')} BOOLEAN" for name in names]
    return f'CREATE OR REPLACE TABLE source (row_no BIGINT, {", ".join(columns)}, "dynsync operation" VARCHAR)'


def _fold(prepared: Prepared) -> str:
    """The events of each fold as one record: of every cell the last that was told; a cell that none told is absent."""
    mapping = prepared.mapping
    parts = [
        "max(h.row_no) AS row_no",
        "TRUE AS ok",
        "any_value(h.kh) AS kh",
        "NULL::UBIGINT AS rh",
        'FALSE AS "!rejected"',
        'bool_or(h."!reported") AS "!reported"',
        'arg_max_null(h."!action", h.row_no) AS "!action"',
    ]
    for target in mapping.targets:
        parts += _folded_cell(target)
    parts += [_last(f"source.{column.name}", ignoring_nulls=True) for column in mapping.watched]
    parts += [_last(name) for name in (LEDGER_KEY, VERSION)]
    return f"""
        CREATE OR REPLACE TABLE wanted AS SELECT * FROM heard WHERE FALSE UNION ALL BY NAME
        SELECT {", ".join(parts)} FROM heard h JOIN turn t ON t.row_no = h.row_no GROUP BY t.leader
    """


def _folded_cell(target: Target) -> list[str]:
    absent = f"h.{identifier(target.name + '?')}" if target.may_be_absent else None
    told = f" FILTER (WHERE NOT {absent})" if absent else ""
    parts = [_last(name, told) for name in (target.name, target.entity_column) if name]
    parts += [f"bool_and({absent}) AS {identifier(target.name + '?')}"] if absent else []
    if target.link and target.deferred:
        awaited = [
            f"{target.name}~",
            *(f"{target.name}~{n}" for n in range(len(target.link.sides))),
            f"{target.name}~@",
        ]
        waits = f" FILTER (WHERE NOT {absent} OR h.{identifier(target.name + '~')})" if absent else ""
        parts += [_last(name, waits) for name in awaited]  # what waits for its row counts as absent, and yet is told
    return parts


def _last(name: str, told: str = "", *, ignoring_nulls: bool = False) -> str:
    function = "arg_max" if ignoring_nulls else "arg_max_null"
    column = identifier(name)
    return f"{function}(h.{column}, h.row_no){told} AS {column}"
