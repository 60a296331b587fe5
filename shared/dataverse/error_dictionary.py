"""What each error code means and what to do about it: the rows of `error_codes.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

from shared.dataverse.refusals import Refusal, normal_code


class Reaction(StrEnum):
    """What this product does about a refusal; the head of `error_codes.yaml` tells each meaning."""

    RETRY = "retry"
    SHRINK = "shrink"
    REJECT = "reject"
    CONFLICT = "conflict"
    RENEW = "renew"
    FAIL = "fail"
    FAIL_WHEN_ALL = "fail_when_all"


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One meaning. `code` is hexadecimal in lower case, or "" for a text or status; `attempts` belongs to retry."""

    code: str
    name: str
    reaction: Reaction
    cause: str
    remedy: str
    when: str = ""
    status: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class _Dictionary:
    by_code: Mapping[str, Sequence[ErrorEntry]]
    texts: Sequence[ErrorEntry]
    by_status: Mapping[int, ErrorEntry]


def explain(code: str | int | None, message: str = "") -> ErrorEntry | None:
    """The meaning of a code in any form (hexadecimal or decimal), or None when it is not known.

    Where a code has several meanings, the message decides.
    """
    entries = _dictionary().by_code.get(normal_code(code) or "", ())
    text = message.lower()
    return next((entry for entry in entries if entry.when in text), None)


def explain_refusal(refusal: Refusal) -> ErrorEntry | None:
    """The meaning of a refusal: by its code, else its text, else its status; None when nothing is known of it."""
    known = explain(refusal.code, refusal.message)
    if known:
        return known
    text = refusal.message.lower()
    by_text = next((entry for entry in _dictionary().texts if entry.when in text), None)
    return by_text or _dictionary().by_status.get(refusal.status)


def reaction_to(refusal: Refusal) -> Reaction:
    """What to do about a refusal. One that is not known sets its row aside."""
    entry = explain_refusal(refusal)
    return entry.reaction if entry else Reaction.REJECT


def in_plain_words(refusal: Refusal) -> str:
    """A refusal as a sentence with its cause and what to do."""
    entry = explain_refusal(refusal)
    return f"{refusal}. {entry.cause[0].upper()}{entry.cause[1:]}; {entry.remedy}" if entry else str(refusal)


def entries() -> list[ErrorEntry]:
    """All entries, for the documentation."""
    known = _dictionary()
    return [*(e for group in known.by_code.values() for e in group), *known.texts, *known.by_status.values()]


@cache
def _dictionary() -> _Dictionary:
    text = Path(__file__).with_name("error_codes.yaml").read_text(encoding="utf-8")
    rows = YAML(typ="safe", pure=True).load(text)
    by_code: dict[str, list[ErrorEntry]] = {}
    for entry in map(_entry, rows["codes"]):
        by_code.setdefault(entry.code, []).append(entry)
    texts = [_entry(row) for row in rows["texts"]]
    return _Dictionary(by_code, texts, {entry.status: entry for entry in map(_entry, rows["statuses"])})


def _entry(row: Mapping[str, object]) -> ErrorEntry:
    return ErrorEntry(
        code=str(row.get("code", "")),
        name=str(row["name"]),
        reaction=Reaction(str(row["reaction"])),
        cause=str(row["cause"]),
        remedy=str(row["remedy"]),
        when=str(row.get("when", "")),
        status=int(str(row.get("status", 0))),
        attempts=int(str(row.get("attempts", 0))),
    )
