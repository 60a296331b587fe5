"""Ids of new rows. They are chosen here, before anything is sent, so that a repeated create is recognised.

Where an active alternate key covers the sync key, the server itself keeps out doubles, and ids grow in SQL Server's
sort order (its last group first), which keeps the table's index compact. Otherwise the id is derived from environment,
table and canonical key: the same record gets the same id in whatever job, so a second create meets the first.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from shared.canonical import key_form
from shared.mapping.compose import Mapping
from shared.sql import identifier, literal

_SEQUENCE_BITS = 17


def sequence_start(now: datetime) -> int:
    """Where a job's growing ids begin: the second in the upper 31 bits, room for growth in the lower 17."""
    return int(now.timestamp()) << _SEQUENCE_BITS


def growing_id(*, job: str, start: str) -> str:
    """SQL over `wanted w`: a version 8 UUID whose last group grows with the row number. `job`, `start`: SQL too."""
    digest = f"md5({job} || '/' || w.row_no)"
    tail = f"printf('%012x', {start} + w.row_no)"
    return _uuid(f"substr({digest}, 1, 20)", tail)


def derived_id(mapping: Mapping, *, environment: str, table: str, attempt: int = 0) -> str:
    """SQL over `wanted w`: a version 8 UUID from environment, table and key; `attempt` gives further derivations."""
    keys = [
        key_form(form, f"w.{identifier(form.name)}", accent_sensitive=mapping.accent_sensitive) + "::VARCHAR"
        for form in mapping.key_forms
    ]
    text = " || chr(31) || ".join([literal(_namespace(environment, table, attempt)), *keys])
    digest = f"md5({text})"
    return _uuid(f"substr({digest}, 1, 20)", f"substr({digest}, 21, 12)")


def _namespace(environment: str, table: str, attempt: int) -> str:
    return "/".join([environment.lower(), table, str(attempt)])


def _uuid(head: str, tail: str) -> str:
    """SQL of a UUID from 20 and 12 hexadecimal digits; version 8 and variant set."""
    groups = [(1, 8, ""), (9, 4, ""), (14, 3, "8"), (18, 3, "a")]
    parts = " || '-' || ".join(
        f"{literal(mark) + ' || ' if mark else ''}substr({head}, {start}, {length})" for start, length, mark in groups
    )
    return f"({parts} || '-' || {tail})::UUID"


def new_id(mapping: Mapping, *, environment: str, table: str, job: str, sequence_start: int | None) -> str:
    """SQL over `wanted w` of a new row's id: growing where `sequence_start` is given, else derived."""
    if sequence_start is not None:
        return growing_id(job=literal(job), start=str(sequence_start))
    return derived_id(mapping, environment=environment, table=table)


def next_derivation(row_id: str) -> str:
    """The id to try when a derived id belongs to a row with another key."""
    digest = hashlib.md5(f"next/{row_id}".encode(), usedforsecurity=False).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"
