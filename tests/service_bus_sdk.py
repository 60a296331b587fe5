"""Microsoft's SDK for Service Bus, without what it waits for at the end of each connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

LOOK_S = 0.02


@contextmanager
def prompt() -> Iterator[None]:
    """Its thread that keeps a connection alive looks once a second whether it is to end, and `close` waits for it.

    Here it looks often. What it does, and how the product uses it, stays.
    """
    clock = SimpleNamespace(
        time=time.time, monotonic=time.monotonic, sleep=lambda seconds: time.sleep(min(seconds, LOOK_S))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("azure.servicebus._pyamqp.client.time", clock)
        yield
