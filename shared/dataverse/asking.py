"""Questions that do not wait for each other: asked side by side, answered in the order in which they are needed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import TracebackType
from typing import Self

type Answer[T] = Callable[[], T]
"""Gives the answer, waiting for it if need be, or raises what the question raised; the same at every call."""

THREADS = 16
"""More at a time would be the answers of a moment only. How many requests run, and when, is the transport's to say."""


class Asking:
    """Asks in a few threads, which end with it; if not `side_by_side` in the caller's own, each when it is needed.

    Where it is left before its time, what was not begun is not asked any more, and what is under way is waited for.
    """

    def __init__(self, *, side_by_side: bool) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="dynsync-asking") if side_by_side else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def later[T](self, ask: Callable[[], T]) -> Answer[T]:
        """Have something asked. What is asked may have more asked, and must not wait for it."""
        return cache(ask) if self._pool is None else self._pool.submit(ask).result
