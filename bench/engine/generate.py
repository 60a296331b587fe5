"""Makes the measured data: source files, destination rows, and the destination's pages as the service would send them.

Usage: `python -m bench.engine.generate ROWS`. The same numbers always give the same data.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import duckdb
from isal import igzip

from bench.engine import recording
from bench.engine.layout import CHANGED, PAGE_ROWS, UNCHANGED, WORK, DataSet, origin

VERSION = 1
"""Raised when this file makes other data than before."""

RECORDS = """
    SELECT i,
        printf('CUST-%010d', i) AS key,
        'Customer ' || i || ' ' || substr(md5(i::VARCHAR), 1, 8 + (i % 10)::INT) AS name,
        'user' || i || '@example' || (i % 997) || '.com' AS email,
        ['Oslo', 'Bergen', 'København', 'Stockholm', 'Helsinki', 'Reykjavík', 'Zürich', 'São Paulo', 'New York',
         'London'][1 + (i % 10)::INT] AS city,
        round((hash(i) % 100000000) / 100.0, 2)::DOUBLE AS revenue,
        (hash(i + 1) % 50000)::INT AS employees,
        ((hash(i + 2) % 1000000000) / 100.0)::DECIMAL(18, 2) AS credit,
        (DATE '1970-01-01' + (hash(i + 3) % 20000)::INT)::DATE AS birthdate,
        TIMESTAMP '2020-01-01' + to_seconds((hash(i + 4) % 150000000)::INT) AS modifiedat,
        i % 3 = 0 AS active,
        substr(m, 1, 8) || '-' || substr(m, 9, 4) || '-' || substr(m, 13, 4) || '-' || substr(m, 17, 4) || '-'
            || substr(m, 21, 12) AS contact,
        CASE WHEN i % 7 = 0 THEN NULL
             ELSE 'Note "' || substr(md5((i + 9)::VARCHAR), 1, (hash(i) % 32)::INT) || '" for ' || i END AS description
    FROM (SELECT range AS i, md5(range::VARCHAR || 'p') AS m FROM range($first, $end))
"""
COLUMNS = "key, name, email, city, revenue, employees, credit, birthdate, modifiedat, active, contact, description"

OLD_VALUES = """
    SELECT i, key, email, employees, credit, birthdate, modifiedat, contact,
        CASE WHEN h < 250 THEN name || 'x' ELSE name END AS name,
        CASE WHEN h BETWEEN 100 AND 300 THEN 'Elsewhere' ELSE city END AS city,
        CASE WHEN h BETWEEN 200 AND 400 THEN revenue + 1 ELSE revenue END AS revenue,
        CASE WHEN h BETWEEN 400 AND 499 THEN NOT active ELSE active END AS active,
        CASE WHEN h BETWEEN 450 AND 499 THEN NULL ELSE description END AS description
    FROM (SELECT *, hash(i + 77) % 10000 AS h FROM records)
"""
"""Five rows in a hundred hold older values, in one to three columns."""

MEMBERS = {
    "accountid": "md5(i::VARCHAR || 'id')::UUID::VARCHAR",
    "new_externalkey": "key",
    "name": "name",
    "emailaddress1": "email",
    "address1_city": "city",
    "new_revenue": "revenue",
    "numberofemployees": "employees",
    "new_credit": "credit::DECIMAL(28, 10)",
    "new_birthdate": "birthdate",
    "new_modifiedat": "strftime(modifiedat, '%Y-%m-%dT%H:%M:%SZ')",
    "new_active": "active",
    "_primarycontactid_value": "contact",
    "description": "description",
    "createdon": "'2020-02-03T04:05:06Z'",
    "modifiedon": "'2021-03-04T05:06:07Z'",
    "statecode": "0",
    "statuscode": "1",
}
"""How each property of a reply is made; decimals come with ten places, as the service sends them."""


def make(data: DataSet) -> None:
    """Make what is not there yet, for the requests that were recorded last."""
    select = first_page_properties(recording.first_page())
    wanted = {"version": VERSION, "rows": data.rows, "select": select}
    if data.manifest.exists() and json.loads(data.manifest.read_text())["made"] == wanted:
        return
    data.folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '4GB'; SET temp_directory = '{WORK / 'spill'}'")
        counts = _records(connection, data)
        for name in (CHANGED, UNCHANGED) if data.whole else (CHANGED,):
            _pages(connection, data, name, select)
    data.manifest.write_text(json.dumps({"made": wanted, "counts": counts}, indent=1))


def first_page_properties(path: str) -> list[str]:
    """The properties that the client asked for, in its order."""
    asked = parse_qs(urlsplit(path).query)["$select"][0].split(",")
    unknown = [name for name in asked if name not in MEMBERS]
    if unknown:
        raise SystemExit(f"the client asks for {', '.join(unknown)}; tell bench/engine/generate.py how it is made")
    return asked


def _records(connection: duckdb.DuckDBPyConnection, data: DataSet) -> dict[str, int]:
    """Source files and destination rows. Keys 0..n-1 are there, new..n+new-1 come: one in a hundred new and dropped."""
    new = data.rows // 100
    source, changed = data.source("parquet"), data.destination(CHANGED)
    fetched = connection.execute
    fetched(f"CREATE OR REPLACE TEMP VIEW records AS {_between(new, data.rows + new)}")
    unchanged = data.destination(UNCHANGED)
    fetched(f"COPY (SELECT i, {COLUMNS} FROM records ORDER BY hash(i)) TO '{unchanged}' (COMPRESSION zstd)")
    fetched(f"COPY (SELECT {COLUMNS} FROM '{unchanged}') TO '{source}' (COMPRESSION zstd)")
    if data.whole:
        fetched(f"COPY (SELECT {COLUMNS} FROM '{source}') TO '{data.source('csv')}' (HEADER)")
    fetched(f"CREATE OR REPLACE TEMP VIEW records AS {_between(0, data.rows)}")
    fetched(f"COPY ({OLD_VALUES}) TO '{changed}' (COMPRESSION zstd)")
    differs = " OR ".join(f"s.{name} IS DISTINCT FROM d.{name}" for name in COLUMNS.split(", "))
    (row,) = fetched(
        f"SELECT count(*) FILTER (d.key IS NULL), count(*) FILTER (s.key IS NULL), "
        f"count(*) FILTER (s.key = d.key AND ({differs})) FROM '{source}' s FULL JOIN '{changed}' d ON s.key = d.key"
    ).fetchall()
    return dict(zip(("new", "dropped", "changed"), row, strict=True))


def _between(first: int, end: int) -> str:
    return RECORDS.replace("$first", str(first)).replace("$end", str(end))


def _pages(connection: duckdb.DuckDBPyConnection, data: DataSet, name: str, select: list[str]) -> None:
    """Pages of 5,000 rows by id, each linked to the next, gzipped as the server sends them."""
    folder = data.pages(name)
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    last = (data.rows - 1) // PAGE_ROWS + 1
    for number, rows in enumerate(_texts(connection, data.destination(name), select), start=1):
        page = _page(rows, name, select, number + 1 if number < last else None)
        (folder / f"{number}.json.gz").write_bytes(igzip.compress(page, compresslevel=2))


def _texts(connection: duckdb.DuckDBPyConnection, rows: Path, select: list[str]) -> Iterator[list[str]]:
    members = ", ".join(f'"{name}" := {MEMBERS[name]}' for name in select)
    etag = """"@odata.etag" := 'W/"' || (70000000 + hash(i) % 9000000) || '"'"""
    connection.execute(
        f"SELECT to_json(struct_pack({etag}, {members}))::VARCHAR FROM '{rows}' ORDER BY md5(i::VARCHAR || 'id')"
    )
    while found := connection.fetchmany(PAGE_ROWS):
        yield [text for (text,) in found]


def _page(rows: list[str], name: str, select: list[str], following: int | None) -> bytes:
    context = f"{origin(name)}/api/data/v9.2/$metadata#accounts({','.join(select)})"
    link = f',"@odata.nextLink":{json.dumps(_link(name, following))}' if following else ""
    return f'{{"@odata.context":"{context}","value":[{",".join(rows)}]{link}}}'.encode()


def _link(name: str, number: int) -> str:
    """A next link in the service's form: the first page's address and a paging cookie."""
    cookie = (
        f'<cookie pagenumber="{number}" pagingcookie="%3ccookie%20page%3d%22{number - 1}%22%3e" istracking="False" />'
    )
    return f"{origin(name)}{recording.first_page()}&$skiptoken={quote(cookie)}"


if __name__ == "__main__":
    make(DataSet(int(sys.argv[1])))
