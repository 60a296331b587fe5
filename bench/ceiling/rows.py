"""The rows that both sides write: twelve columns of every common kind, a link, money and an alternate key."""

from __future__ import annotations

from bench.ceiling.server import COUNTRY


def row_id(number: int) -> str:
    """The id of a row, chosen by us."""
    return f"{number:08x}-0000-4000-8000-00000000c17e"


def is_bad(number: int, every: int) -> bool:
    """Whether a row is one that Dataverse refuses: one in `every`, at scattered places; 0: none."""
    return every > 0 and (number * 2_654_435_761 % 2**32) % every == 0


def row(number: int, every: int) -> dict[str, object]:
    """One row without id and key."""
    return {
        "new_name": f"Sankt-Gürgen an der Aa {number}",
        "new_population": number * 3,
        "new_latitude": (number % 180) - 90 + 0.12345,
        "new_longitude": (number % 360) - 180 + 0.54321,
        "new_sizeclass": 7 if is_bad(number, every) else 100_000_000 + number % 4,
        "new_CountryId@odata.bind": f"/new_countries({COUNTRY})",
        "new_timezone": "Europe/Amsterdam",
        "new_elevation": (number % 9000) / 4,
        "new_foundedon": f"{1800 + number % 200}-{1 + number % 12:02}-{1 + number % 28:02}",
        "new_updatedon": f"2026-03-{1 + number % 28:02}T08:{number % 60:02}:00Z",
        "new_budget": number + 0.25,
    }


def key(number: int) -> str:
    """The alternate key's value."""
    return f"C{number:07}"
