"""What a rule makes of stored ledger entries: the same for every store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.values.events import LedgerEntry, Rule


def ruled(
    entries: Iterable[LedgerEntry], stored: Mapping[str, LedgerEntry], rule: Rule
) -> tuple[list[LedgerEntry], frozenset[str]]:
    """What is to be stored in the place of what is, and the keys that the rule left alone; entries in their order."""
    after, left = dict(stored), set()
    for entry in entries:
        made = rule(after.get(entry.key), entry)
        if made is None:
            left.add(entry.key)
        else:
            after[entry.key] = made
    return [one for key, one in after.items() if one != stored.get(key)], frozenset(left)
