"""PostgreSQL's errors in words: what it said, where in the statement, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import SourceError

if TYPE_CHECKING:
    import psycopg

_REMEDIES = {
    "42P01": "the table is gone, has another name or is in another schema: correct `table` or `query`",
    "42703": "the column is gone or has another name: correct `query` or `filter`",
    "42501": "give the user the right to SELECT",
    "25006": "a source only reads: write a SELECT without side effects",
    "42601": "correct `query` or `filter`",
    "57014": "the database ended the statement: make it faster, or ask for more time there",
    "40001": "read it again; on a standby, ask for a longer max_standby_streaming_delay",
}
"""By SQLSTATE. Source: PostgreSQL 17 documentation, appendix A, error codes."""
_SHOWN = 40


def refusal(error: psycopg.Error, shown: str, sql: str, *, head: int) -> SourceError:
    """A statement that failed: the database's words, the place in the definition's own text, and a remedy.

    `sql` is that text as it was sent, variables numbered; `head` is how many characters stood before it.
    """
    diag = error.diag
    said = diag.message_primary or " ".join(str(error).split())[:500] or type(error).__name__
    hint = f" ({diag.message_hint})" if diag.message_hint else ""
    if not diag.message_primary:
        return SourceError(f"{shown} broke off the read: {said}; nothing was taken; run the job again")
    place = _place(sql, int(diag.statement_position) - head) if diag.statement_position else ""
    remedy = _REMEDIES.get(error.sqlstate or "", "correct the table, query or filter of the source")
    return SourceError(f"{shown} refused the read: {said}{hint}{place}; {remedy}")


def _place(sql: str, position: int) -> str:
    if not 1 <= position <= len(sql) + 1:
        return ""
    before = sql[: position - 1]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    near = sql[position - 1 :].partition("\n")[0][:_SHOWN]
    return f", line {line}, column {column}" + (f", at {near!r}" if near else "")
