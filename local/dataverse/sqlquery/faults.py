"""What the service answers to SQL that it does not take. Code and texts are **unconfirmed**: here alone they stand."""

from __future__ import annotations

from local.dataverse.refusals import Refusal

CODE = "0x80040203"


def unsupported(what: str) -> Refusal:
    """A part of SQL outside the subset."""
    return Refusal(400, CODE, f"The SQL query is not supported: {what}.")


def malformed(reason: str) -> Refusal:
    """Text that is no SQL."""
    return Refusal(400, CODE, f"The SQL query cannot be parsed: {reason[:300]}")
