"""A local Dataverse with a large table, in a process of its own. Usage: `python -m bench.unchanged.server ROWS SOURCE`.

The rows are those of the Parquet file SOURCE. It prints one line of JSON (its address) when they are there. Each line
of its standard input then is a number: it changes the names of so many rows, and answers with how many it changed, and
with the requests for rows and the writes since the last line. It ends with its input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb

from bench.engine.layout import HERE
from local.dataverse import LocalDataverse

_VALUES = """
    SELECT md5(i::VARCHAR || 'id')::UUID::VARCHAR AS accountid, name, email AS emailaddress1, city AS address1_city,
           employees AS numberofemployees, description, contact AS primarycontactid, key AS new_externalkey,
           revenue AS new_revenue, (credit * 100)::BIGINT AS new_credit, birthdate::VARCHAR AS new_birthdate,
           strftime(modifiedat, '%Y-%m-%dT%H:%M:%SZ') AS new_modifiedat, active::INT AS new_active,
           '2020-02-03T04:05:06Z' AS createdon, '2021-03-04T05:06:07Z' AS modifiedon
"""
_AT_A_TIME = 10_000


def main(rows: int, source: Path) -> None:
    """Serve."""
    with LocalDataverse(HERE / "tables.yaml") as server:
        fill(server, rows, source)
        print(json.dumps({"url": server.url, "authority": server.authority}), flush=True)
        for asked in sys.stdin:
            found = change(server, int(asked))
            paths = [(r.method, r.path) for r in server.requests if "oauth2" not in r.path]
            reads = [path for method, path in paths if method == "GET" and "/accounts" in path]
            said = {"changed": found, "reads": len(reads), "writes": sum(method != "GET" for method, _ in paths)}
            server.clear_requests()
            print(json.dumps(said), flush=True)


def fill(server: LocalDataverse, rows: int, source: Path) -> None:
    """Put the rows into the table past the Web API, in the form that it keeps: a million by HTTP take many minutes."""
    store = server.application.service.world.store
    (caller,) = store.all("SELECT systemuserid FROM systemuser LIMIT 1")
    with server.application.lock, store.transaction():
        names, values = _values(rows, source)
        columns = [*names, "createdby", "modifiedby", "ownerid", '"ownerid~table"', "statecode", "statuscode"]
        fixed = (caller[0], caller[0], caller[0], "systemuser", 0, 1)
        marks = ", ".join("?" for _ in columns)
        statement = f"INSERT INTO account ({', '.join(columns)}, versionnumber) VALUES ({marks}, next_version())"
        for chunk in values:
            store.run_many(statement, [(*row, *fixed) for row in chunk])


def _values(rows: int, source: Path) -> tuple[list[str], Iterator[list[tuple[object, ...]]]]:
    cursor = duckdb.connect().execute(f"{_VALUES} FROM '{source}' LIMIT {rows}")
    names = [column[0] for column in cursor.description or ()]
    return names, iter(lambda: cursor.fetchmany(_AT_A_TIME), [])


def change(server: LocalDataverse, count: int) -> int:
    """Change the names of some rows, as people would."""
    store = server.application.service.world.store
    chosen = f"SELECT accountid FROM account ORDER BY accountid LIMIT {count}"
    stamp = "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"
    changed = f"name = name || ' x', versionnumber = next_version(), modifiedon = {stamp}"
    with server.application.lock, store.transaction():
        return store.run(f"UPDATE account SET {changed} WHERE accountid IN ({chosen})") if count else 0


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
