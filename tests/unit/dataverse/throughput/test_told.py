"""A refusal's text names the limit's window."""

from __future__ import annotations

import pytest

from shared.dataverse.refusals import Refusal
from shared.dataverse.throughput.told import Limit, told


@pytest.mark.parametrize(
    ("code", "message", "limit", "window_s"),
    [
        ("0x80072321", "limit of 1,200,000 milliseconds over time window of 300 seconds.", Limit.TIME, 300),
        ("0x80072322", "exceeded the limit of 6000 over time window of 60 seconds.", Limit.REQUESTS, 60),
        ("0x80072326", "Number of concurrent requests exceeded the limit of 52.", Limit.CONCURRENCY, 300),
        ("0x8005f103", "too many", Limit.CONCURRENCY, 300),
        (None, "over time window of 1,2,3.4.5 seconds", Limit.CONCURRENCY, 300),
        ("0x80072321", "over time window of 0 seconds", Limit.TIME, 300),
    ],
)
def test_told(code, message, limit, window_s):
    """Code gives the limit, text the window; garbage gives the published one."""
    found = told(Refusal(429, code, message, None), 7.0)
    assert (found.limit, found.window_s, found.pause_s) == (limit, window_s, 7.0)
