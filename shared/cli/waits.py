"""Says that a service keeps the command waiting. The log knows it: every wait is told there, whoever waits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from shared.cli.texts import duration, safe

_WORDS = {"service.unanswered": "no answer, trying again in", "service.throttled": "asked to pause, going on in"}
"""By the name of the log's event."""


class _Waits(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """One at a time: the handler's lock is held."""
        words = wait_words(getattr(record, "event", ""), getattr(record, "fields", {}))
        if words is not None:
            self._tell(words)


@contextmanager
def waits_told(tell: Callable[[str], None]) -> Iterator[None]:
    """While this lasts, every wait for a service is told, from the thread that waits."""
    logger, waits = logging.getLogger("shared"), _Waits(tell)
    logger.addHandler(waits)
    try:
        yield
    finally:
        logger.removeHandler(waits)


def wait_words(event: str, fields: Mapping[str, object]) -> str | None:
    """`no answer, trying again in 2.0 s (https://…)`; None when the event is no wait."""
    words, pause_s = _WORDS.get(event), fields.get("pause_s")
    if words is None or not isinstance(pause_s, int | float):
        return None
    return f"{words} {duration(pause_s)} ({safe(str(fields.get('service')))})"
