"""What reading costs the local Dataverse: processor time per page, in a process of its own, asked over HTTP.

A page is 5,000 rows with fourteen columns each, of every common type, money with its currency and the id among them;
pages are followed by their links, with and without compression. Processor time is read from the server's entry in
/proc, over all pages of a pass, because its clock ticks a hundred times a second.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.standin.writes import Server, country, create, serving

PAGE = 5000
LIMIT_MS = 80
"""At most so much processor time for a page."""
COLUMNS = (
    "new_name,new_citycode,new_population,new_latitude,new_longitude,new_sizeclass,_new_countryid_value,"
    "new_timezone,new_elevation,new_foundedon,new_updatedon,new_budget"
)
_PLAIN = {"Accept-Encoding": "identity"}
_FORMATTED = {"Prefer": 'odata.include-annotations="*"'}


@dataclass(frozen=True, slots=True)
class Pass:
    """One way to read every page; `limit_ms` per page, None where none is promised."""

    name: str
    headers: dict[str, str]
    query: str
    limit_ms: int | None


PASSES = (
    Pass("plain", _PLAIN, "", LIMIT_MS),
    Pass("gzip", {"Accept-Encoding": "gzip"}, "", LIMIT_MS),
    Pass("filter and order, gzip", {"Accept-Encoding": "gzip"}, "&$filter=new_population ge 0&$orderby=new_name", None),
    Pass("all annotations, gzip", {"Accept-Encoding": "gzip"} | _FORMATTED, "", None),
)


def main(arguments: list[str]) -> int:
    """Measures and prints; 1 when a limit was broken."""
    options = argparse.ArgumentParser(prog="python -m bench pages")
    options.add_argument("--pages", type=int, default=10, help="pages of 5,000 rows (at most 200)")
    pages = min(options.parse_args(arguments).pages, 200)
    good = True
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "rows.db") as server:
        country(server)
        create(server, pages * PAGE)
        for each in PASSES:
            taken, members = _read(server, each, pages)
            kept = each.limit_ms is None or taken <= each.limit_ms
            good &= kept
            verdict = ("PASS" if kept else "FAIL") + f" (at most {each.limit_ms})" if each.limit_ms else ""
            print(f"{each.name:24} {taken:7.1f} ms of processor time per page of {PAGE:,} x {members}  {verdict}")
    return 0 if good else 1


def _read(server: Server, each: Pass, pages: int) -> tuple[float, int]:
    """Milliseconds of processor time per page, and the members of a row; every row must have come."""
    url: str | None = f"{server.root}new_cities?$select={COLUMNS}{each.query}"
    rows = members = 0
    before = server.cpu_s()
    while url is not None:
        reply = server.session.get(url, headers=each.headers, timeout=120)
        reply.raise_for_status()
        document = reply.json()
        rows += len(document["value"])
        members = len(document["value"][0]) if document["value"] else members
        url = document.get("@odata.nextLink")
    taken = server.cpu_s() - before
    if rows != pages * PAGE:
        raise SystemExit(f"{each.name}: {rows} rows came of {pages * PAGE}")
    return taken * 1000 / pages, members
