"""The register's files: the first one, the one of a year later with its faults, and one that was torn."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.demo.places import Record

THRESHOLD = 16_500
"""A year later the register lists only cities of so many inhabitants; the smaller ones are dropped."""
_NEW_EVERY, _NEW_AT = 85, 42
_CHANGED_EVERY = 40
_GROWTH = 1.06

_FAULTS: tuple[tuple[str, str], ...] = (
    ("country", "XX"),
    ("country", ""),
    ("name", ""),
    ("name", "A name that goes on and on, far beyond what the definition allows for the name of a city"),
    ("population", "about 20000"),
    ("population", "99999999999"),
    ("latitude", "95.5"),
    ("longitude", "12°34' E"),
    ("capital", "perhaps"),
    ("time_zone", f"Europe/{'Nowhere' * 20}"),
)
"""What is wrong with one record each: a column and its value. A key that stands there twice comes on top."""
BROKEN = len(_FAULTS) + 2


@dataclass(frozen=True, slots=True)
class YearLater:
    """The file of a year later, and how many of its records are what; `risen` is the code of a city that grew into
    the next size class."""

    records: list[Record]
    risen: str
    new: int
    changed: int
    dropped: int

    @property
    def unchanged(self) -> int:
        """Records that are as they were, and in order."""
        return len(self.records) - self.new - self.changed - BROKEN


def first_file(cities: Sequence[Record]) -> list[Record]:
    """All cities but those that are new a year later."""
    return [city for number, city in enumerate(cities) if not _is_new(number)]


def year_later(cities: Sequence[Record]) -> YearLater:
    """Some new, some changed, the smallest dropped, and a dozen broken records."""
    listed = [city for city in first_file(cities) if _is_listed(city)]
    new = [city for number, city in enumerate(cities) if _is_new(number) and _is_listed(city)]
    faulty = {
        _CHANGED_EVERY // 2 + number * (len(listed) // len(_FAULTS)): _FAULTS[number] for number in range(len(_FAULTS))
    }
    risen = _largest_below([city for number, city in enumerate(listed) if number and number not in faulty])
    records, changed = [], 0
    for number, city in enumerate(listed):
        column, value = faulty.get(number, ("", ""))
        grown = not column and (number % _CHANGED_EVERY == 1 or city["code"] == risen)
        changed += grown
        records.append({**city, column: value} if column else _grown(city) if grown else city)
    twin = listed[0]
    dropped = len(first_file(cities)) - len(listed)
    return YearLater([*records, *new, _grown(twin)], risen, len(new), changed, dropped)


def _largest_below(cities: Sequence[Record], class_begins: int = 100_000) -> str:
    """The code of the largest city that is not yet of the next size class."""
    below = [city for city in cities if int(city["population"]) < class_begins]
    return max(below, key=lambda city: int(city["population"]))["code"]


def _is_new(number: int) -> bool:
    return number % _NEW_EVERY == _NEW_AT


def _is_listed(city: Record) -> bool:
    return int(city["population"]) >= THRESHOLD


def _grown(city: Record) -> Record:
    return {**city, "population": str(int(int(city["population"]) * _GROWTH))}


def write_records(path: Path, records: Sequence[Record]) -> None:
    """A CSV file with a heading."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def tear(path: Path) -> None:
    """Break two lines in the middle: one loses half of its fields, one its code."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    middle = len(lines) // 2
    lines[middle] = lines[middle][: lines[middle].index(",", 15)] + "\r\n"
    lines[middle + 1] = lines[middle + 1][lines[middle + 1].index(",") :]
    path.write_text("".join(lines), "utf-8", newline="")
