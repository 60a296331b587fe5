"""Customers of a made-up ERP, the same every time, for stories that need a small file."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

Record = dict[str, str]

_WORDS = ("Amber", "Birch", "Cedar", "Delta", "Ember", "Fjord", "Grove", "Harbour", "Iris", "Juniper")
_KINDS = ("Bakery", "Logistics", "Optics", "Textiles", "Tools", "Travel", "Wines", "Works")
_TIERS = ("Gold", "Silver", "Bronze")


def made_up_records(count: int = 100) -> list[Record]:
    dice = Random(7)
    return [
        {
            "customer_no": f"C-{number:05}",
            "legal_name": f"{dice.choice(_WORDS)} {dice.choice(_WORDS)} {dice.choice(_KINDS)}",
            "phone": f"+31 20 {dice.randrange(10**6, 10**7)}",
            "tier": dice.choice(_TIERS),
            "credit": f"{dice.randrange(10, 5000) * 100}.00",
        }
        for number in range(1, count + 1)
    ]


def write_records(path: Path, records: list[Record]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
