"""The plain way: the same work with `.json()`, dicts and the standard library's json.

Usage: `python -m bench.engine.peer SOURCE ORIGIN FIRST_PAGE CA_FILE RESULT`. One process, one thread, everything in
dicts: the program that one writes first. It reads the same source and the same pages, finds the same new, changed and
dropped rows, and posts bodies of 1,000 rows to the same addresses. It validates less than the product does, and keeps
no plan.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

import duckdb  # noqa: E402 - the clock starts before the imports
import requests  # noqa: E402

Row = dict[str, Any]
BODY_ROWS = 1000
LIMITS = {"new_externalkey": 50, "name": 160, "emailaddress1": 100, "address1_city": 80, "description": 2000}
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def connected(ca_file: str, origin: str) -> requests.Session:
    """A session with a token."""
    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file
    form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x", "scope": f"{origin}/.default"}
    token = session.post(f"{origin}/tenant/oauth2/v2.0/token", data=form, timeout=60).json()["access_token"]
    session.headers.update({"Authorization": f"Bearer {token}", "Accept": "application/json", "OData-Version": "4.0"})
    return session


def destination_rows(session: requests.Session, url: str | None) -> dict[str, Row]:
    """All rows by key."""
    rows = {}
    while url:
        page = session.get(url, headers={"Prefer": "odata.maxpagesize=5000"}, timeout=300).json()
        for row in page["value"]:
            rows[row["new_externalkey"]] = row
        url = page.get("@odata.nextLink")
    return rows


def source_records(path: str) -> list[tuple[Any, ...]]:
    """All records as tuples."""
    return duckdb.connect().execute(f"SELECT * FROM '{path}'").fetchall()


def wanted(record: tuple[Any, ...]) -> Row:
    """The record as a row; raises where a value has the wrong form or length."""
    key, name, email, city, revenue, employees, credit, birthdate, modifiedat, active, contact, description = record
    row = {
        "new_externalkey": key.strip(),
        "name": name and name.strip(),
        "emailaddress1": email and email.strip(),
        "address1_city": city and city.strip(),
        "new_revenue": None if revenue is None else round(float(revenue), 2),
        "numberofemployees": None if employees is None else int(employees),
        "new_credit": None if credit is None else float(credit),
        "new_birthdate": birthdate and birthdate.isoformat(),
        "new_modifiedat": modifiedat and modifiedat.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "new_active": active,
        "_primarycontactid_value": contact and str(contact),
        "description": description,
    }
    for name, limit in LIMITS.items():
        if row[name] is not None and len(row[name]) > limit:
            raise ValueError(f"{name} is too long")
    if not row["new_externalkey"] or (
        row["_primarycontactid_value"] and not GUID.fullmatch(row["_primarycontactid_value"])
    ):
        raise ValueError("key or contact")
    return row


def sent(members: Row) -> Row:
    """The members as they are sent: the lookup as a bind."""
    contact = members.pop("_primarycontactid_value", None)
    if contact:
        members["primarycontactid@odata.bind"] = f"/contacts({contact})"
    return {"@odata.type": "Microsoft.Dynamics.CRM.account", **members}


def compare(records: list[tuple[Any, ...]], present: dict[str, Row]) -> tuple[list[Row], list[Row], list[Row]]:
    """New, changed and dropped rows as they are sent. `present` is used up."""
    new, changed = [], []
    for record in records:
        row = wanted(record)
        old = present.pop(row["new_externalkey"], None)
        if old is None:
            new.append(sent({"accountid": str(uuid.uuid4()), **row}))
            continue
        members = {name: value for name, value in row.items() if old[name] != value}
        if members:
            changed.append(sent({"accountid": old["accountid"], **members}))
    dropped = [
        sent({"accountid": row["accountid"], "statecode": 1, "statuscode": 2})
        for row in present.values()
        if row["statecode"] == 0
    ]
    return new, changed, dropped


def bodies(rows: list[Row]) -> Iterator[bytes]:
    """Bodies of bulk requests."""
    for start in range(0, len(rows), BODY_ROWS):
        yield json.dumps({"Targets": rows[start : start + BODY_ROWS]}).encode()


def main(source: str, origin: str, first_page: str, ca_file: str, result: str) -> None:
    """Do all of it."""
    phases = {}
    session = connected(ca_file, origin)
    began = time.perf_counter()
    present = destination_rows(session, origin + first_page)
    phases["read_destination"] = time.perf_counter() - began
    began = time.perf_counter()
    records = source_records(source)
    read = len(records)
    phases["read_source"] = time.perf_counter() - began
    began = time.perf_counter()
    new, changed, dropped = compare(records, present)
    phases["reconcile"] = time.perf_counter() - began
    began = time.perf_counter()
    for message, rows in (("CreateMultiple", new), ("UpdateMultiple", changed), ("UpdateMultiple", dropped)):
        url = f"{origin}/api/data/v9.2/accounts/Microsoft.Dynamics.CRM.{message}"
        for body in bodies(rows):
            session.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=300).raise_for_status()
    phases["apply"] = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seen = {
        "state": "Succeeded",
        "read": read,
        "planned": {"create": len(new), "update": len(changed), "deactivate": len(dropped)},
        "phases_s": {name: round(seconds, 3) for name, seconds in phases.items()},
        "inside_s": round(time.perf_counter() - STARTED, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mb": usage.ru_maxrss // 1024,
    }
    Path(result).write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:6])
