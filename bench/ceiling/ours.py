"""The product's writer as a job drives it: chunks of 1,000 changes, as many under way as the limits make useful.

Usage: `python -m bench.ceiling.ours '{"place": …, "users": 1, "rows": 100000, "seconds": 0, "warm_s": 0, "every": 0}'`
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from bench.ceiling.rows import key, row, row_id
from shared.dataverse.auth import ClientSecretTokens
from shared.dataverse.client import DataverseClient
from shared.dataverse.throughput.wall import measured, sentence
from shared.dataverse.transport import Transport
from shared.dataverse.writing import Writer
from shared.values.changes import Outcome, OutcomeStatus, Write, WriteKind

CHUNK = 1000
_SETS = 40
_STATUS = itemgetter(Outcome._fields.index("status"))


def cpu_s() -> float:
    """Processor seconds of this process, its own and the kernel's for it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main(argument: str) -> None:
    """Write, and print what was found as JSON."""
    options = json.loads(argument)
    place = options["place"]
    root = place["authority"]
    tokens = [
        ClientSecretTokens(
            place["tenant"], client, secret, root, root, clock=lambda: datetime.now(UTC), allowed_authorities=[root]
        )
        for client, secret in place["users"][: options["users"]]
    ]
    with Transport(root, tokens) as transport:
        print(json.dumps(run(transport, options)))


def run(transport: Transport, options: dict[str, Any]) -> dict[str, Any]:
    """Write until the rows or the seconds are used up; what is measured begins after `warm_s`."""
    writer = Writer(transport, DataverseClient(transport).table("new_city"))
    changes: Iterable[list[Write]] = prepared(options)
    if options["rows"]:
        changes = list(changes)  # what is measured is the writer's work, not the making of changes
    spans: list[tuple[float, float, int]] = []
    tally: Counter[str] = Counter()
    began, warm = time.monotonic(), None

    def chunk(writes: list[Write]) -> Counter[str]:
        start = time.monotonic()
        found = Counter(map(_STATUS, writer.write(WriteKind.CREATE, writes)))
        spans.append((start, time.monotonic(), found[OutcomeStatus.DONE]))
        return found

    cpu = cpu_s()
    with ThreadPoolExecutor(256) as pool:
        running: set[Future[Counter[str]]] = set()
        for writes in changes:
            now = time.monotonic() - began
            if warm is None and now >= options["warm_s"]:
                warm = (time.monotonic(), transport.requests, transport.uses(), cpu_s())
            if options["seconds"] and now >= options["seconds"]:
                break
            running.add(pool.submit(chunk, writes))
            ahead = transport.useful
            while len(running) >= ahead + max(1, ahead // 4):
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    tally.update(future.result())
        ended = time.monotonic()
        counts, uses = transport.requests, transport.uses()
        for future in running:
            tally.update(future.result())
    ended = ended if options["seconds"] else time.monotonic()
    from_s, before, uses_before, cpu_before = warm or (began, counts, uses, cpu)
    if not options["seconds"]:
        counts, uses = transport.requests, transport.uses()
    rows = sum(n * max(0.0, min(end, ended) - max(start, from_s)) / (end - start) for start, end, n in spans)
    requests = counts.requests - before.requests
    return {
        "rows_per_s": rows / (ended - from_s),
        "seconds": ended - from_s,
        "tally": dict(tally),
        "requests": requests,
        "throttled": counts.throttled - before.throttled,
        "level": transport.useful,
        "cpu_ms_per_1000": 1e6 * (cpu_s() - cpu_before) / max(sum(tally.values()), 1)
        if not options["warm_s"]
        else None,
        "wall": sentence(measured(uses_before, uses, ended - from_s), cap=None),
    }


def prepared(options: dict[str, Any]) -> Iterator[list[Write]]:
    """Chunks of changes. The bodies of the first ones are made before the clock starts, as a plan holds them."""
    every, rows = options["every"], options["rows"]
    total = rows or 10**9
    count = min(total // CHUNK, 10**6)
    made = [
        [json.dumps(row(number, every), ensure_ascii=False)[1:] for number in range(CHUNK * n, CHUNK * (n + 1))]
        for n in range(min(count, 100 if rows else _SETS))
    ]

    def chunks() -> Iterator[list[Write]]:
        for n in range(count):
            bodies, first = made[n % len(made)], CHUNK * n + options.get("first", 0)
            yield [
                Write(first + i, row_id(first + i), f'{{"new_citycode":"{key(first + i)}",{body}')
                for i, body in enumerate(bodies)
            ]

    return chunks()


if __name__ == "__main__":
    main(sys.argv[1])
