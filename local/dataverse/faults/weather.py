"""Rough weather: what a busy day brings, a little of everything that a client has to survive by itself."""

from __future__ import annotations

from local.dataverse.faults.kinds import Fault, FaultKind

ROUGH = (
    Fault(
        status=429,
        code="0x80072322",
        text="Number of requests exceeded the limit of 6000 over time window of 300 seconds.",
        headers={"Retry-After": "2"},
        path="/api/data/",
        count=None,
        probability=0.01,
        seed=1,
    ),
    Fault(status=503, path="/api/data/", count=None, probability=0.01, seed=2),
    Fault(status=502, path="/api/data/", count=None, probability=0.005, seed=3),
    Fault(FaultKind.DROP_BEFORE, path="/api/data/", count=None, probability=0.005, seed=4),
    Fault(FaultKind.DROP_AFTER, path="/api/data/", count=None, probability=0.005, seed=5),
    Fault(FaultKind.SLOW_HEADERS, path="/api/data/", count=None, delay_s=3, probability=0.01, seed=6),
    Fault(FaultKind.DEADLOCK, method="POST", path="/api/data/", count=None, probability=0.005, seed=7),
    Fault(FaultKind.SQL_TIMEOUT, larger_than=500, count=None, probability=0.1, seed=8),
    Fault(FaultKind.EXPIRE_TOKENS, path="/api/data/", count=None, probability=0.001, seed=9),
)
"""Each by its own chance, always the same chance: a run can be repeated."""
