"""`make demo`: a whole sync against a local Dataverse, by the same commands that anybody types."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

from local.dataverse.identity import CLIENT_ID, CLIENT_SECRET

ROOT = Path(__file__).parent.parent
RECORDS = 1000
START_S = 30
CLEAN, WITH_REJECTS, HELD = 0, 2, 3

_WORDS = ("Amber", "Birch", "Cedar", "Delta", "Ember", "Fjord", "Grove", "Harbour", "Iris", "Juniper")
_KINDS = ("Bakery", "Logistics", "Optics", "Textiles", "Tools", "Travel", "Wines", "Works")
_TIERS = ("Gold", "Silver", "Bronze")

_DEFINITION = """name: customers
title: Customers of a made-up ERP
source:
  type: delimited
  path: customers.csv
  schema:
    - {{ name: customer_no, type: text, mandatory: true, validate: true, max_length: 20 }}
    - {{ name: legal_name, type: text, mandatory: true, validate: true }}
    - {{ name: phone, type: text, max_length: 20, validate: true }}
    - {{ name: tier, type: text }}
    - {{ name: credit, type: number, validate: true }}
destination:
  type: dynamics
  entity: account
  service_url: {origin}/api/data/v9.2/
  authority: {origin}
  client_id: {{ secret: customers--client-id }}
  client_secret: {{ secret: customers--client-secret }}
  id_column: accountid
  currency: EUR
mappings:
  - {{ source: customer_no, target: accountnumber }}
  - {{ source: legal_name, target: name }}
  - {{ source: phone, target: telephone1 }}
  - {{ source: tier, target: new_tier }}
  - {{ source: credit, target: creditlimit }}
behaviour:
  strategy: full
  key: [accountnumber]
  dropped: delete
"""

Record = dict[str, str]


def main() -> int:
    """Tell the story; 1 when a command did not end as it should."""
    folder = ROOT / ".dynsync" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "syncs").mkdir(parents=True)
    port = _free_port()
    (folder / "syncs" / "customers.yaml").write_text(_DEFINITION.format(origin=f"http://127.0.0.1:{port}"), "utf-8")
    (folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", "utf-8")
    with _dataverse(folder, port):
        return 0 if all(_story(folder)) else 1


def _story(folder: Path) -> Iterator[bool]:
    """One step after another; each says whether it ended as it should."""
    records = made_up_records()
    write_records(folder / "customers.csv", records)
    _tell(f"A made-up ERP has {len(records):,} customers. Is the definition right?")
    yield _dynsync(folder, "check", "customers") == CLEAN
    _tell("A first run: the table is empty, so all of them are created.")
    yield _dynsync(folder, "run", "customers") == CLEAN
    records = a_day_later(records)
    write_records(folder / "customers.csv", records)
    _tell("A day later: 25 customers changed, 5 are new, 3 are gone, and one has a telephone number that is too long.")
    yield _dynsync(folder, "plan", "customers", "--sample", "3") == HELD
    _tell("Carry out that plan. The one record is set aside and does not sink its neighbours: exit code 2.")
    yield _dynsync(folder, "apply", _last_job(folder)) == WITH_REJECTS
    _tell("What was set aside, by cause:")
    yield _dynsync(folder, "rejects", _last_job(folder)) == CLEAN
    _tell("Once more, with nothing new: nothing is written.")
    yield _dynsync(folder, "run", "customers") == WITH_REJECTS
    write_records(folder / "customers.csv", records[: len(records) // 2])
    _tell("Then an extract breaks off half-way. Half of the rows would be deleted; a brake holds the job: exit code 3.")
    yield _dynsync(folder, "run", "customers") == HELD
    _tell(f"All of it is in {folder}: the file, the definition, the jobs with their plans.")


def made_up_records() -> list[Record]:
    """The same customers every time."""
    dice = Random(7)  # noqa: S311 - made-up names, no secrets
    return [
        {
            "customer_no": f"C-{number:05}",
            "legal_name": f"{dice.choice(_WORDS)} {dice.choice(_WORDS)} {dice.choice(_KINDS)}",
            "phone": f"+31 20 {dice.randrange(10**6, 10**7)}",
            "tier": dice.choice(_TIERS),
            "credit": f"{dice.randrange(10, 5000) * 100}.00",
        }
        for number in range(1, RECORDS + 1)
    ]


def a_day_later(records: list[Record]) -> list[Record]:
    """The same customers after a day: changed, new, gone, and one that cannot be right."""
    changed = [{**record, "credit": f"{record['credit'][:-3]}.50"} for record in records[:25]]
    wrong = {**records[25], "phone": records[25]["phone"] * 4}
    new = [{**record, "customer_no": f"C-9{number:04}"} for number, record in enumerate(records[:5])]
    return [*changed, wrong, *records[26:-3], *new]


def write_records(path: Path, records: list[Record]) -> None:
    """A CSV file with a heading."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def _tell(text: str) -> None:
    sys.stdout.write(f"\n## {text}\n\n")
    sys.stdout.flush()


def _environ() -> Mapping[str, str]:
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "DYNSYNC_SECRET_CUSTOMERS__CLIENT_ID": CLIENT_ID,
        "DYNSYNC_SECRET_CUSTOMERS__CLIENT_SECRET": CLIENT_SECRET,
    }


def _command(folder: Path, words: tuple[str, ...]) -> list[str]:
    where = ["--state", str(folder / "state"), "--syncs", str(folder / "syncs")]
    return [sys.executable, "-P", "-m", "shared.cli", *words, *where]


def _dynsync(folder: Path, *words: str) -> int:
    """Run one command before the reader's eyes; its exit code."""
    sys.stdout.write(f"$ dynsync {' '.join(words)}\n")
    sys.stdout.flush()
    return subprocess.run(_command(folder, words), env=_environ(), check=False).returncode  # noqa: S603 - our own


def _last_job(folder: Path) -> str:
    command = _command(folder, ("jobs", "--limit", "1", "--json"))
    said = subprocess.run(command, env=_environ(), check=True, capture_output=True)  # noqa: S603 - our own
    return str(json.loads(said.stdout)[0]["id"])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _dataverse(folder: Path, port: int) -> Iterator[None]:
    """A local Dataverse for as long as the story lasts; what it logs goes to a file."""
    command = [sys.executable, "-P", "-m", "local.dataverse", "--port", str(port)]
    with (folder / "dataverse.log").open("wb") as log:
        child = subprocess.Popen(command, env=_environ(), stdout=log, stderr=log)  # noqa: S603 - our own
        try:
            _wait_until_it_answers(child, port, folder / "dataverse.log")
            yield
        finally:
            child.terminate()
            child.wait()


def _wait_until_it_answers(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(START_S * 10):
        if child.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    said = log.read_text("utf-8", errors="replace")[-2000:]
    raise SystemExit(f"The local Dataverse did not start within {START_S} seconds. It said:\n{said}")


if __name__ == "__main__":
    sys.exit(main())
