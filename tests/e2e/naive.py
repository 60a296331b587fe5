"""Reconcile once more, as simply as one can say it: records and rows as dicts, one after another. No code is shared."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass, field, replace

TIERS = {"gold": 100000000, "silver": 100000001}


def fold(key: str) -> str:
    """A key as an accent-insensitive server compares it."""
    plain = (sign for sign in unicodedata.normalize("NFD", key) if not unicodedata.combining(sign))
    return "".join(plain).lower().replace("ß", "ss").rstrip(" ")


@dataclass(frozen=True)
class Record:
    """A record of the source. `wide`: it has a cell too many, so it is no record at all; `absent`: members it lacks."""

    key: str
    name: str = ""
    employees: str = ""
    tier: str = ""
    country: str = ""
    action: str = ""
    wide: bool = False
    absent: frozenset[str] = frozenset()

    def seen(self) -> Record:
        """The record as its reader tells it: what is absent is empty."""
        return replace(self, **dict.fromkeys(self.absent, ""))


@dataclass(frozen=True)
class Row:
    """A row of the destination."""

    key: str | None
    name: str | None = None
    employees: int | None = None
    tier: int | None = None
    mine: bool = True
    expired: bool = False
    inactive: bool = False
    touched: bool = False


@dataclass(frozen=True)
class Rules:
    """What the definition says; `unique`: the server itself keeps the key unique."""

    unique: bool = True
    filtered: bool = False
    delta: bool = False
    duplicates: str = "reject"
    new: str = "insert"
    changed: str = "update"
    dropped: str = "ignore"
    returned: str = "revive"
    deletes: str = "follow"
    actions: bool = False
    keep_null: bool = False


@dataclass
class Result:
    """The rows afterwards, and the two balances."""

    rows: list[Row] = field(default_factory=list)
    source: Counter[str] = field(default_factory=Counter)
    destination: Counter[str] = field(default_factory=Counter)


def wanted(record: Record) -> dict[str, object] | None:
    """The record's values; None when one of them is wrong."""
    try:
        employees = int(record.employees) if record.employees else None
    except ValueError:
        return None
    tier = TIERS.get(record.tier.lower()) if record.tier else None
    if record.key == "" or (record.tier and tier is None):
        return None
    values = {"name": record.name or None, "employees": employees, "tier": tier}
    return {name: value for name, value in values.items() if name not in record.absent}


def removed(rules: Rules, row: Row) -> bool:
    """Whether the sync removed the row before."""
    return (rules.dropped == "expire" and row.expired) or (rules.dropped == "deactivate" and row.inactive)


def gone(row: Row, how: str) -> Row | None:
    """The row after its removal."""
    if how == "delete":
        return None
    return replace(row, expired=True) if how == "expire" else replace(row, inactive=True)


def sync(records: list[Record], rows: list[Row], rules: Rules) -> Result:
    """One job."""
    return _Sync(records, rows, rules).run()


class _Sync:
    def __init__(self, records: list[Record], rows: list[Row], rules: Rules) -> None:
        self.records, self.rows, self.rules = [record.seen() for record in records], rows, rules
        self.result = Result()
        self.after: list[Row | None] = list(rows)
        self.new: list[Row] = []
        self.seen: set[str] = set()
        self.unreadable = False
        self.repeated_rows: set[int] = set()

    def run(self) -> Result:
        self.result.source["read"] = len(self.records)
        for position, record in enumerate(self.records):
            self.result.source[self.bucket(position, record)] += 1
        self.drop()
        self.result.rows = [row for row in self.after if row is not None] + self.new
        return self.result

    def here(self, number: int) -> bool:
        """Whether a row is in the destination's filtered set, and is read at all."""
        row = self.rows[number]
        if self.rules.filtered and not row.mine:
            return False
        return not self.rules.delta or (row.key is not None and fold(row.key) in self.good_keys())

    def good_keys(self) -> set[str]:
        return {fold(record.key) for record in self.good()}

    def good(self) -> list[Record]:
        """Records that pass the filter and have nothing wrong by themselves."""
        kept = [r for r in self.records if not r.wide and r.country != "XX" and wanted(r) is not None]
        return [r for r in kept if not self.rules.actions or r.action.upper() in ("INSERT", "UPDATE", "DELETE")]

    def chosen(self) -> list[Record]:
        """Good records, without those that share a key with another."""
        good, kept = self.good(), []
        for record in good:
            alike = [other for other in good if fold(other.key) == fold(record.key)]
            one = {"first": alike[0], "last": alike[-1]}.get(self.rules.duplicates)
            if len(alike) == 1 or record is one:
                kept.append(record)
        return kept

    def bucket(self, position: int, record: Record) -> str:
        if record.wide:
            self.unreadable = True
            return "rejected"
        if record.country == "XX":
            return "filtered"
        if record.key == "":
            self.unreadable = True
            return "rejected"
        self.seen.add(fold(record.key))
        if not any(record is good for good in self.good()):
            return "rejected"
        if not any(record is chosen for chosen in self.chosen()):
            return "rejected" if self.rules.duplicates == "reject" else "ignored"
        return self.place(record)

    def place(self, record: Record) -> str:
        mine = [n for n, row in enumerate(self.rows) if row.key is not None and fold(row.key) == fold(record.key)]
        here = [n for n in mine if self.here(n)]
        if len(here) > 1:
            self.repeated_rows |= set(here)
            return "rejected"
        action = record.action.upper() if self.rules.actions else ""
        if here:
            return self.asked(here[0]) if action == "DELETE" else self.meet(record, here[0])
        if mine:
            return "outside"
        if action == "UPDATE":
            return "rejected"
        if action == "DELETE":
            return "asked_to_delete"
        return self.create(record)

    def asked(self, number: int) -> str:
        row, how = self.rows[number], self.rules.deletes
        how = {"follow": "delete", "ignore": "ignore"}.get(how, self.rules.dropped)
        if how != "ignore" and not (how != "delete" and removed(self.rules, row)):
            self.after[number] = gone(row, how)
        return "asked_to_delete"

    def create(self, record: Record) -> str:
        if self.rules.new == "ignore":
            return "ignored"
        values = wanted(record) or {}
        self.new.append(Row(record.key, **values))  # type: ignore[arg-type]
        return "created"

    def meet(self, record: Record, number: int) -> str:
        row = self.rows[number]
        values = wanted(record) or {}
        if self.rules.keep_null:
            values = {name: value for name, value in values.items() if value is not None}
        after = replace(row, key=record.key, mine=True, **values)
        if str(row.key).rstrip(" ") == record.key.rstrip(" "):
            after = replace(after, key=row.key)
        was_removed = removed(self.rules, row)
        if was_removed:
            after = replace(after, expired=False) if self.rules.dropped == "expire" else replace(after, inactive=False)
        if after == row:
            return "unchanged"
        writes = self.rules.returned == "revive" if was_removed else self.updates(record, row)
        if not writes:
            return "ignored"
        self.after[number] = after
        return "updated"

    def updates(self, record: Record, row: Row) -> bool:
        if self.rules.changed == "when":
            return bool(record.employees) and row.employees is not None and int(record.employees) > row.employees
        return self.rules.changed == "update"

    def drop(self) -> None:
        count = self.result.destination
        for number, row in enumerate(self.rows):
            if not self.here(number):
                continue
            count["read"] += 1
            if number in self.repeated_rows:
                count["duplicate"] += 1
            elif row.key is not None and fold(row.key) in self.seen:
                count[self.matched_or_duplicate(number)] += 1
            else:
                count[self.fate(number, row)] += 1

    def matched_or_duplicate(self, number: int) -> str:
        """A row that shares its key with another is a duplicate when its record was set aside."""
        row = self.rows[number]
        alike = [n for n, r in enumerate(self.rows) if self.here(n) and r.key and fold(r.key) == fold(str(row.key))]
        return "duplicate" if len(alike) > 1 else "matched"

    def fate(self, number: int, row: Row) -> str:
        kept = self.rules.dropped == "ignore" or self.rules.delta or self.unreadable
        if kept or row.key is None or row.touched or removed(self.rules, row):
            return "kept"
        self.after[number] = gone(row, self.rules.dropped)
        return {"delete": "deleted", "expire": "expired", "deactivate": "deactivated"}[self.rules.dropped]
