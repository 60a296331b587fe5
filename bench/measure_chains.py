"""Measures the read of a large table by one chain of pages and by several; see bench/README.md."""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.ceiling.rows import key, row, row_id
from bench.measure_ceiling import FREE, line, serving
from shared.dataverse.auth import ClientSecretTokens
from shared.dataverse.chains import TablePages
from shared.dataverse.client import DataverseClient
from shared.dataverse.transport import Transport
from shared.dataverse.writing import Writer
from shared.values.changes import Write, WriteKind

COLUMNS = [
    "new_name",
    "new_citycode",
    "new_population",
    "new_sizeclass",
    "new_countryid",
    "new_foundedon",
    "new_budget",
]
CALL_MS, READ_ROW_MS, HINT = 100.0, 0.1, 8
"""So a page of 5,000 rows takes 600 ms, and eight requests at a time are recommended."""
FIRST_DAY = datetime(2016, 1, 1, tzinfo=UTC)


def connected(place: dict[str, Any]) -> Transport:
    """A transport of the first application user."""
    root, (client, secret) = place["authority"], place["users"][0]
    tokens = ClientSecretTokens(
        place["tenant"], client, secret, root, root, clock=lambda: datetime.now(UTC), allowed_authorities=[root]
    )
    return Transport(root, tokens)


def fill(transport: Transport, rows: int, created: Callable[[int], datetime]) -> None:
    """Create rows that were created at some time before."""
    writer = Writer(transport, DataverseClient(transport).table("new_city"), first_rows=1000)
    writes = [
        Write(
            n,
            row_id(n),
            json.dumps(row(n, 0) | {"new_citycode": key(n), "overriddencreatedon": f"{created(n):%FT%TZ}"}),
        )
        for n in range(rows)
    ]
    writer.write(WriteKind.CREATE, writes)


def evenly(number: int) -> datetime:
    """Over ten years."""
    return FIRST_DAY + timedelta(seconds=number * 1579 % 315_360_000)


def skewed(number: int) -> datetime:
    """Nine rows of ten in half an hour, as after an import; the others over ten years."""
    return evenly(number) if number % 10 == 0 else FIRST_DAY + timedelta(days=1500, seconds=number % 1800)


def read(place: dict[str, Any], *, alone: bool) -> tuple[float, float, int, int]:
    """Wall and processor seconds of a read of all pages, its rows, twice met ones included, and its requests."""
    with connected(place) as transport:
        client = DataverseClient(transport)
        table = client.table("new_city")
        useful = (lambda: 1) if alone else lambda: transport.useful
        before, began, cpu = transport.requests.requests, time.monotonic(), used()
        rows = sum(bytes(page).count(b'"new_cityid"') for page in TablePages(client, table, COLUMNS, None, useful))
        return time.monotonic() - began, used() - cpu, rows, transport.requests.requests - before


def used() -> float:
    """Processor seconds of this process."""
    found = resource.getrusage(resource.RUSAGE_SELF)
    return found.ru_utime + found.ru_stime


def pair(what: str, rows: int, created: Callable[[int], datetime], times: int, **limits: object) -> float:
    """How many times faster several chains are, at the median of some pairs."""
    ratios = []
    with serving(**FREE, **limits) as place:
        with connected(place) as transport:
            fill(transport, rows, created)
        for _ in range(times):
            one, several = read(place, alone=True), read(place, alone=False)
            ratios.append(one[0] / several[0])
            for name, (wall, cpu, met, requests) in (("one chain", one), ("as it is", several)):
                print(
                    f"  {what:<12} {name:<10} {wall:6.2f} s, {cpu:5.2f} processor-s, {met:,} rows, {requests} requests"
                )
    return sorted(ratios)[len(ratios) // 2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; 0 when every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m bench chains", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=3, help="pairs of runs")
    chosen = parser.parse_args(arguments)
    slow = {"call_ms": CALL_MS, "read_row_ms": READ_ROW_MS, "dop_hint": HINT}
    good = []
    for what, created in (("even", evenly), ("skewed", skewed)):
        faster = pair(f"slow, {what}", chosen.rows, created, chosen.times, **slow)
        good.append(line(f"600 ms a page, rows {what}: faster", f"{faster:.1f} x", "at least 2", faster >= 2))
    faster = pair("fast", chosen.rows // 4, evenly, chosen.times, call_ms=0, read_row_ms=0, dop_hint=HINT)
    good.append(line("a fast server: as fast as one chain", f"{faster:.2f} x", "at least 0.9", faster >= 0.9))
    return 0 if all(good) else 1
