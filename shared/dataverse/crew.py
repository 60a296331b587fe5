"""Several chains of pages, read side by side by a few threads that share what is left among themselves."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.dataverse.reading import Trail
from shared.errors import DestinationError

_ROUNDED = timedelta(seconds=1)
"""The service tells whole seconds; a row may have been created in a fraction of one before or after."""
_WORTH_PAGES = 2
_NO_ROWS = 2
"""Characters of an array without rows."""

MOST_BYTES = 24 << 20
"""So much may the pages take that the threads hold at a time, as far as the largest one so far tells."""

Left = tuple[tuple[str, datetime | None], ...]
"""The link to go on with, and the end, of each chain that is not at its end."""
Within = Callable[[memoryview], tuple[datetime, datetime] | None]
"""When the first and the last row of a page were created."""


@dataclass(slots=True, eq=False)
class Chain:
    """Rows created in a span of time, page after page in that order, from the link `left` on.

    `until` is where another chain begins. `at` is when the last row met was created, `step` the time that one page
    spans; `ahead` is a page that was read already.
    """

    left: str
    until: datetime | None
    trail: Trail
    pages: Iterator[memoryview]
    within: Within
    ahead: memoryview | None = None
    at: datetime | None = None
    step: timedelta = timedelta()

    def met(self, page: memoryview) -> str | None:
        """Note a page; the link to the next one, None when the chain has come to its end.

        Raises:
            DestinationError: the rows do not come in the order of their creation.
        """
        span = self.within(page)
        if span is not None:
            first, last = span
            if last < first or (self.at is not None and first < self.at - _ROUNDED):
                raise DestinationError(
                    "the service gave a page twice, or rows out of the order of their creation that was asked for. "
                    "Start the job again; when it stays, set `parallel: 1`, which reads in another order"
                )
            self.at, self.step = last, last - first
        met_another = self.at is not None and self.until is not None and self.at >= self.until + _ROUNDED
        return None if met_another else self.trail.links[-1]

    def rest(self, newest: datetime) -> timedelta:
        """The time that is left to be read."""
        return (self.until or newest) - self.at if self.at else timedelta()

    def may_be_split(self, newest: datetime) -> bool:
        """Whether some pages are left."""
        return self.rest(newest) > max(_WORTH_PAGES * self.step, 4 * _ROUNDED)

    def pages_left(self, newest: datetime) -> float:
        """About how many pages are left, when rows spread evenly."""
        return self.rest(newest) / max(self.step, _ROUNDED)


class Crew:
    """Threads that read chains. `span` makes the chain of all rows created from a moment to before another.

    No more than one page waits to be taken, and each thread holds one; large pages are read by fewer threads. So memory
    is bounded.
    """

    def __init__(
        self,
        chains: Sequence[Chain],
        workers: int,
        span: Callable[[datetime | None, datetime | None], Chain],
        newest: datetime,
    ) -> None:
        self._waiting = deque(chains)
        self._open = list(chains)
        self._workers, self._span, self._newest = workers, span, newest
        self._reading: set[Chain] = set()
        self._ready: deque[tuple[Chain, memoryview, str | None]] = deque()
        self._changed = threading.Condition()
        self._largest = 0
        self._stopped = False
        self._error: BaseException | None = None

    def pages(self) -> Iterator[tuple[memoryview, Left]]:
        """Each page that has rows, in the order of arrival, and what is left after it.

        Raises:
            DestinationError: a next link came twice, or rows are out of order.
            UnavailableError: a page ended in the middle, or there was no answer.
        """
        threads = [threading.Thread(target=self._work, name="dynsync-chain", daemon=True) for _ in range(self._workers)]
        for thread in threads:
            thread.start()
        try:
            while (taken := self._taken()) is not None:
                page, left = taken
                if len(page) > _NO_ROWS:
                    yield page, left
        finally:
            self._stop(None)
            for thread in threads:
                thread.join()

    def _taken(self) -> tuple[memoryview, Left] | None:
        """The next page, None after the last."""
        with self._changed:
            while not self._ready and self._error is None and self._open:
                self._changed.wait()
            if self._error is not None:
                raise self._error
            if not self._ready:
                return None
            chain, page, link = self._ready.popleft()
            if link is None:
                self._open.remove(chain)
            else:
                chain.left = link
            self._changed.notify_all()
            return page, tuple((one.left, one.until) for one in self._open)

    # --- in the threads ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while (chain := self._next()) is not None:
                self._follow(chain)
        except BaseException as error:  # noqa: BLE001 - carried over to the thread that takes the pages, raised there
            self._stop(error)

    def _next(self) -> Chain | None:
        """A chain that nobody reads, or a part of one; None when there will be no more."""
        with self._changed:
            while not self._stopped:
                chain = self._free()
                if chain is not None:
                    self._reading.add(chain)
                    return chain
                if not self._reading and not self._waiting:
                    return None
                self._changed.wait()
            return None

    def _free(self) -> Chain | None:
        """A chain to begin with now, if there is one and memory for its pages."""
        most = max(1, MOST_BYTES // self._largest) if self._largest else 1
        if len(self._reading) >= most:
            return None
        return self._waiting.popleft() if self._waiting else self._split()

    def _split(self) -> Chain | None:
        """The later half of what the longest chain has left, as a chain of its own."""
        long = [chain for chain in self._reading if chain.may_be_split(self._newest)]
        chain = max(long, key=lambda one: one.pages_left(self._newest), default=None)
        if chain is None or chain.at is None:
            return None
        middle = (chain.at + chain.rest(self._newest) / 2).replace(microsecond=0)
        later = self._span(middle, chain.until)
        chain.until = middle
        self._open.append(later)
        return later

    def _follow(self, chain: Chain) -> None:
        ahead, chain.ahead = chain.ahead, None
        goes_on = ahead is None or self._give(chain, ahead)
        while goes_on:
            goes_on = self._give(chain, next(chain.pages))

    def _give(self, chain: Chain, page: memoryview) -> bool:
        """Hand a page over; whether the chain goes on."""
        with self._changed:
            link = chain.met(page)
            self._largest = max(self._largest, len(page))
            if link is None:
                self._reading.discard(chain)
            self._changed.notify_all()
            while self._ready and not self._stopped:
                self._changed.wait()
            if self._stopped:
                return False
            self._ready.append((chain, page, link))
            self._changed.notify_all()
            return link is not None

    def _stop(self, error: BaseException | None) -> None:
        with self._changed:
            self._stopped = True
            self._error = self._error or error
            self._changed.notify_all()
