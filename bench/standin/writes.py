"""What writing costs the local Dataverse: its processor time and memory, in a process of its own, asked over HTTP.

Bodies are made before the clock starts. A row has twelve columns of every common type, a lookup, money and an
alternate key. Processor time and peak memory are read from the server's entry in /proc.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import requests

from local.dataverse.identity import CLIENT_ID, CLIENT_SECRET, TENANT_ID

REPOSITORY = Path(__file__).resolve().parents[2]
_PORT = 18560
_TYPE = "Microsoft.Dynamics.CRM.new_city"
_COUNTRY = "11111111-0000-4000-8000-0000000000c1"
_TICK = os.sysconf("SC_CLK_TCK")
CREATES, UPDATES, MEMORY_MB = 25_000, 20_000, 1024
"""At least so many rows per second of processor time; at most so much memory for the largest run."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server and a session with a token."""

    process: subprocess.Popen[bytes]
    session: requests.Session
    root: str

    def cpu_s(self) -> float:
        """Processor seconds that the server has used, its own and the kernel's for it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    def peak_mb(self) -> float:
        """The most memory the server has held."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def post(self, message: str, body: bytes) -> None:
        """One bulk call that has to succeed."""
        reply = self.session.post(f"{self.root}new_cities/Microsoft.Dynamics.CRM.{message}", data=body, timeout=120)
        if reply.status_code not in (200, 204):
            raise SystemExit(f"{message}: {reply.status_code} {reply.text[:500]}")


def main(arguments: list[str]) -> int:
    """Measures and prints; 1 when a limit was broken."""
    options = argparse.ArgumentParser(prog="python -m bench writes")
    options.add_argument(
        "--rows", type=int, default=100_000, help="rows to create, update and upsert (at most 1000000)"
    )
    options.add_argument("--batch", type=int, default=1000, help="rows per body")
    chosen = options.parse_args(arguments)
    rows = min(chosen.rows, 1_000_000)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder) / "rows.db") as server:
        country(server)
        good = True
        for message, least in (("CreateMultiple", CREATES), ("UpdateMultiple", UPDATES), ("UpsertMultiple", 0)):
            rate = _rate(server, message, rows, chosen.batch)
            good &= rate >= least
            verdict = ("PASS" if rate >= least else "FAIL") + f" (at least {least:,})" if least else ""
            print(f"{message:15} {rate:10,.0f} rows per processor second  {verdict}")
        peak = server.peak_mb()
        good &= peak <= MEMORY_MB
        verdict = ("PASS" if peak <= MEMORY_MB else "FAIL") + f" (at most {MEMORY_MB:,})"
        print(f"peak memory with {rows:,} rows {peak:,.0f} MB  {verdict}")
    return 0 if good else 1


def create(server: Server, rows: int) -> None:
    """Creates rows, unmeasured."""
    for start in range(0, rows, 1000):
        server.post("CreateMultiple", _body("CreateMultiple", start, min(1000, rows - start)))


def _rate(server: Server, message: str, rows: int, batch: int) -> float:
    spent = 0.0
    for start in range(0, rows, batch):
        body = _body(message, start, min(batch, rows - start))
        before = server.cpu_s() if start % (20 * batch) == 0 else None
        if before is not None:
            mark = before
        server.post(message, body)
        if (start // batch) % 20 == 19 or start + batch >= rows:
            spent += server.cpu_s() - mark
    return rows / max(spent, 1 / _TICK)


def _body(message: str, start: int, count: int) -> bytes:
    return orjson.dumps({"Targets": [_row(message, number) for number in range(start, start + count)]})


def _row(message: str, number: int) -> dict[str, object]:
    moved = number + (message != "CreateMultiple") * 7
    row: dict[str, object] = {"@odata.type": _TYPE}
    if message == "UpsertMultiple":
        row["@odata.id"] = f"new_cities(new_citycode='C{number:07}')"
    else:
        row["new_cityid"] = f"{number:08x}-0000-4000-8000-00000000c17e"
        row["new_citycode"] = f"C{number:07}"
    return row | {
        "new_name": f"Sankt-Gürgen an der Aa {moved}",
        "new_population": moved * 3,
        "new_latitude": (moved % 180) - 90 + 0.12345,
        "new_longitude": (moved % 360) - 180 + 0.54321,
        "new_sizeclass": 100_000_000 + moved % 4,
        "new_CountryId@odata.bind": f"/new_countries({_COUNTRY})",
        "new_timezone": "Europe/Amsterdam",
        "new_elevation": (moved % 9000) / 4,
        "new_foundedon": f"{1800 + moved % 200}-{1 + moved % 12:02}-{1 + moved % 28:02}",
        "new_updatedon": f"2026-03-{1 + moved % 28:02}T08:{moved % 60:02}:00Z",
        "new_budget": moved + 0.25,
    }


def country(server: Server) -> None:
    """Creates the country that every row points at."""
    reply = server.session.post(
        f"{server.root}new_countries", json={"new_countryid": _COUNTRY, "new_iso": "NL"}, timeout=30
    )
    reply.raise_for_status()


@contextmanager
def serving(file: Path) -> Iterator[Server]:
    """A server of its own over a new file; it ends with the block."""
    command = [sys.executable, "-m", "local.dataverse", "--port", str(_PORT), "--file", str(file)]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    session = requests.Session()
    try:
        _await(process)
        authority = f"http://127.0.0.1:{_PORT}/"
        form = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        endpoint = f"{authority}{TENANT_ID}/oauth2/v2.0/token"
        token = session.post(endpoint, data=form | {"scope": f"{authority}.default"}, timeout=30).json()
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        session.headers["Content-Type"] = "application/json"
        yield Server(process, session, f"{authority}api/data/v9.2/")
    finally:
        session.close()
        process.terminate()
        process.wait(30)


def _await(process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"the local Dataverse did not start (is port {_PORT} taken?)")
        try:
            requests.get(f"http://127.0.0.1:{_PORT}/", timeout=5)
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the local Dataverse does not answer")
