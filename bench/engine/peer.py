"""The plain way: the same work with `.json()`, dicts and the standard library's json.

Usage: `python -m bench.engine.peer SOURCE ORIGIN FIRST_PAGE CA_FILE PLAN RESULT`. One process, one thread, everything
in dicts: the program that one writes first. It reads the same source and the same pages, types and validates every cell
by a table of columns, compares keys as the service does, keeps a plan with old and new values in a file, and posts
bodies of 1,000 rows from that plan to the same addresses. Unlike the product it keeps no rejects with reasons, no
balance, no brakes and no outcomes per chunk.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()

import duckdb  # noqa: E402 - the clock starts before the imports
import requests  # noqa: E402

Row = dict[str, Any]
BODY_ROWS = 1000
MESSAGES = {"create": "CreateMultiple", "update": "UpdateMultiple", "deactivate": "UpdateMultiple"}
CENT = Decimal("0.01")


class RejectError(ValueError):
    """A record whose value has the wrong form or length."""


@dataclass(frozen=True)
class Column:
    """One column: where its value comes from, under which name it is read, and how it is typed."""

    source: str
    target: str
    typed: Callable[[Any], Any]
    longest: int = 0
    mandatory: bool = False


def text(value: Any) -> str | None:
    """Text without blanks at its ends; empty is nothing."""
    return str(value).strip() or None


def double(value: Any) -> float:
    """A number with two places."""
    return round(float(value), 2)


def decimal(value: Any) -> float:
    """An exact number with two places, as JSON has it."""
    return float(Decimal(str(value)).quantize(CENT))


def day(value: Any) -> str:
    """A date."""
    return (value if isinstance(value, date) else date.fromisoformat(value)).isoformat()


def moment(value: Any) -> str:
    """A date with time, in UTC."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found.strftime("%Y-%m-%dT%H:%M:%SZ")


def yes_or_no(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise RejectError("not a bool")
    return value


def guid(value: Any) -> str:
    """A GUID in lower case."""
    return str(uuid.UUID(str(value)))


COLUMNS = (
    Column("key", "new_externalkey", text, 50, mandatory=True),
    Column("name", "name", text, 160),
    Column("email", "emailaddress1", text, 100),
    Column("city", "address1_city", text, 80),
    Column("revenue", "new_revenue", double),
    Column("employees", "numberofemployees", int),
    Column("credit", "new_credit", decimal),
    Column("birthdate", "new_birthdate", day),
    Column("modifiedat", "new_modifiedat", moment),
    Column("active", "new_active", yes_or_no),
    Column("contact", "_primarycontactid_value", guid),
    Column("description", "description", text, 2000),
)
KEY = "new_externalkey"


def connected(ca_file: str, origin: str) -> requests.Session:
    """A session with a token."""
    session = requests.Session()
    session.trust_env = False
    session.verify = ca_file
    form = {"grant_type": "client_credentials", "client_id": "x", "client_secret": "x", "scope": f"{origin}/.default"}
    token = session.post(f"{origin}/tenant/oauth2/v2.0/token", data=form, timeout=60).json()["access_token"]
    session.headers.update({"Authorization": f"Bearer {token}", "Accept": "application/json", "OData-Version": "4.0"})
    return session


def folded(key: str) -> str:
    """The key as the service compares it: without case, accents and trailing blanks."""
    if key.isascii():
        return key.rstrip().lower()
    return (
        "".join(sign for sign in unicodedata.normalize("NFKD", key) if not unicodedata.combining(sign)).rstrip().lower()
    )


def destination_rows(pages: Iterator[Row]) -> dict[str, Row]:
    """All rows by key."""
    rows: dict[str, Row] = {}
    for page in pages:
        for row in page["value"]:
            if row[KEY]:
                rows[folded(row[KEY])] = row
    return rows


def pages(session: requests.Session, url: str | None) -> Iterator[Row]:
    """The destination's pages, first to last."""
    while url:
        page = session.get(url, headers={"Prefer": "odata.maxpagesize=5000"}, timeout=300).json()
        yield page
        url = page.get("@odata.nextLink")


def source_records(path: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The source's column names and all its records."""
    cursor = duckdb.connect().execute(f"SELECT * FROM '{path}'")
    return [name for name, *_ in cursor.description], cursor.fetchall()


def wanted(record: Row) -> Row:
    """The record as a row.

    Raises:
        ValueError: a value has the wrong form or length.
    """
    row = {}
    for column in COLUMNS:
        value = record[column.source]
        typed = None if value is None else column.typed(value)
        if typed is None and column.mandatory:
            raise RejectError(f"{column.source} is empty")
        if column.longest and typed is not None and len(typed) > column.longest:
            raise RejectError(f"{column.source} is too long")
        row[column.target] = typed
    return row


def wanted_rows(names: Sequence[str], records: Sequence[tuple[Any, ...]]) -> tuple[dict[str, Row], int]:
    """All good records by key, and how many were rejected; a key that comes twice rejects both."""
    rows: dict[str, Row] = {}
    twice, rejected = set(), 0
    for record in records:
        try:
            row = wanted(dict(zip(names, record, strict=True)))
        except (ValueError, ArithmeticError):
            rejected += 1
            continue
        key = folded(row[KEY])
        if key in rows:
            twice.add(key)
        rows[key] = row
    for key in twice:
        del rows[key]
    return rows, rejected + len(twice)


def sent(members: Row) -> Row:
    """The members as they are sent: the lookup as a bind."""
    members = dict(members)
    contact = members.pop("_primarycontactid_value", None)
    if contact:
        members["primarycontactid@odata.bind"] = f"/contacts({contact})"
    return {"@odata.type": "Microsoft.Dynamics.CRM.account", **members}


def planned(rows: dict[str, Row], present: dict[str, Row]) -> Iterator[Row]:
    """One change after another: action, key, what stood there, and what is sent."""
    for key, row in rows.items():
        if key not in present:
            yield {"action": "create", "key": key, "after": sent({"accountid": str(uuid.uuid4()), **row})}
    for key, row in rows.items():
        old = present.get(key)
        members = {name: value for name, value in row.items() if old[name] != value} if old else {}
        if old and members:
            before = {name: old[name] for name in members}
            yield {
                "action": "update",
                "key": key,
                "before": before,
                "after": sent({"accountid": old["accountid"], **members}),
            }
    for key, old in present.items():
        if key not in rows and old["statecode"] == 0:
            after = sent({"accountid": old["accountid"], "statecode": 1, "statuscode": 2})
            yield {"action": "deactivate", "key": key, "before": {"statecode": 0}, "after": after}


def store(changes: Iterator[Row], plan: Path) -> dict[str, int]:
    """Write the plan, one change a line; how many of each action."""
    counts = dict.fromkeys(MESSAGES, 0)
    with plan.open("w", encoding="utf-8") as file:
        for change in changes:
            counts[change["action"]] += 1
            file.write(json.dumps(change) + "\n")
    return counts


def bodies(plan: Path) -> Iterator[tuple[str, bytes]]:
    """Message and body of each bulk request of a stored plan."""
    action, rows = "", list[Row]()
    with plan.open(encoding="utf-8") as file:
        for line in file:
            change = json.loads(line)
            if rows and (len(rows) == BODY_ROWS or change["action"] != action):
                yield MESSAGES[action], json.dumps({"Targets": rows}).encode()
                rows = []
            action = change["action"]
            rows.append(change["after"])
    if rows:
        yield MESSAGES[action], json.dumps({"Targets": rows}).encode()


def main(source: str, origin: str, first_page: str, ca_file: str, plan: str, result: str) -> None:
    """Do all of it."""
    marks = [time.perf_counter()]
    session = connected(ca_file, origin)
    present = destination_rows(pages(session, origin + first_page))
    marks.append(time.perf_counter())
    names, records = source_records(source)
    rows, rejected = wanted_rows(names, records)
    read = len(records)
    marks.append(time.perf_counter())
    counts = store(planned(rows, present), Path(plan))
    marks.append(time.perf_counter())
    for message, body in bodies(Path(plan)):
        url = f"{origin}/api/data/v9.2/accounts/Microsoft.Dynamics.CRM.{message}"
        session.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=300).raise_for_status()
    marks.append(time.perf_counter())
    phases = ("read destination", "read and map source", "reconcile and plan", "apply")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seen = {
        "state": "Succeeded",
        "read": read,
        "rejected": rejected,
        "planned": counts,
        "phases_s": {name: round(marks[i + 1] - marks[i], 3) for i, name in enumerate(phases)},
        "inside_s": round(time.perf_counter() - STARTED, 3),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_rss_mb": usage.ru_maxrss // 1024,
    }
    Path(result).write_text(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:7])
