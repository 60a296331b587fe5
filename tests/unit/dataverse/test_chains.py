"""Chains of pages: when rows were created, what a crew hands over, and what is left at any point."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.dataverse.chains import created_within
from shared.dataverse.crew import Chain, Crew
from shared.dataverse.reading import Trail
from shared.errors import DestinationError

DAY = datetime(2024, 1, 1, tzinfo=UTC)
PAGE = 3


def moment(second: int) -> datetime:
    return DAY + timedelta(seconds=second)


def page_of(rows: list[tuple[int, int]]) -> memoryview:
    found = [
        {"id": number, "createdon": f"{moment(second):%FT%TZ}", "note": '"createdon":"x"'} for number, second in rows
    ]
    return memoryview(orjson.dumps(found))


class Rows:
    """A table of (number, second) in order of creation, and the chains that read it."""

    def __init__(self, seconds: list[int]) -> None:
        self.rows = sorted(enumerate(seconds), key=lambda row: (row[1], row[0]))
        self.newest = moment(max(seconds))

    def span(self, since: datetime | None, until: datetime | None) -> Chain:
        low, high = since or moment(0), until or datetime.max.replace(tzinfo=UTC)
        wanted = [row for row in self.rows if low <= moment(row[1]) < high]
        return self.chain(wanted, 0, until)

    def chain(self, wanted: list[tuple[int, int]], at: int, until: datetime | None) -> Chain:
        trail = Trail()

        def pages() -> Iterator[memoryview]:
            for start in range(at, max(len(wanted), 1), PAGE):
                more = start + PAGE < len(wanted)
                trail.links.append(f"{[row[0] for row in wanted[start + PAGE :]]}" if more else None)
                yield page_of(wanted[start : start + PAGE])

        return Chain(f"{[row[0] for row in wanted]}", until, trail, pages(), created_within)


def numbers(page: memoryview) -> list[int]:
    return [row["id"] for row in orjson.loads(page)]


@settings(max_examples=60, deadline=None)
@given(
    seconds=st.lists(st.integers(0, 60) | st.integers(0, 10**6), min_size=1, max_size=60),
    workers=st.integers(1, 6),
    taken=st.integers(0, 30),
)
def test_all_rows_are_met_and_what_is_left_is_what_was_not(seconds, workers, taken) -> None:
    """However rows spread: all come; and stopped after any page, what came and what is said to be left is all."""
    table = Rows(seconds)
    crew = Crew([table.span(None, None)], workers, table.span, table.newest)
    met: set[int] = set()
    for count, (page, left) in enumerate(crew.pages(), start=1):
        met |= set(numbers(page))
        if count == taken:
            rests = {number for link, _ in left for number in orjson.loads(link)}
            assert met | rests == set(range(len(seconds)))
    assert met == set(range(len(seconds)))


def test_a_reader_that_stops_ends_every_thread() -> None:
    """Nobody waits for a reader that is gone."""
    table = Rows(list(range(0, 6000, 10)))
    pages = Crew([table.span(None, None)], 4, table.span, table.newest).pages()
    next(pages)
    pages.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "dynsync-chain"]


def test_large_pages_are_read_by_fewer_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two pages are more than may be held, one chain is read at a time."""
    monkeypatch.setattr("shared.dataverse.crew.MOST_BYTES", 10)
    table = Rows(list(range(0, 6000, 10)))
    begun: list[Chain] = []

    def span(since: datetime | None, until: datetime | None) -> Chain:
        begun.append(table.span(since, until))
        return begun[-1]

    crew = Crew([table.span(None, None)], 4, span, table.newest)
    assert sum(len(numbers(page)) for page, _ in crew.pages()) == 600
    assert begun == []


def test_an_error_of_any_chain_is_raised() -> None:
    """Also when it is one that nobody foresaw."""
    table = Rows([0, 1, 2])

    def broken() -> Iterator[memoryview]:
        raise RuntimeError("broken")
        yield memoryview(b"")

    chain = Chain("x", None, Trail(), broken(), created_within)
    with pytest.raises(RuntimeError, match="broken"):
        list(Crew([table.span(None, None), chain], 2, table.span, table.newest).pages())


@pytest.mark.parametrize("rows", [[(0, 5), (1, 4)], [(0, 1), (1, 2), (2, 3), (3, 0)]])
def test_rows_out_of_order_end_the_reading(rows: list[tuple[int, int]]) -> None:
    """A chain that is cut short by time must come in the order of time, or rows would be missed."""
    table = Rows([0])
    chain = table.chain(rows, 0, None)
    with pytest.raises(DestinationError, match="order"):
        list(Crew([chain], 1, table.span, moment(9)).pages())


@pytest.mark.parametrize(
    "page", [b"[]", b'[{"createdon":null}]', b'[{"createdon":"never"}]', b'[{"createdon":"2024-13-01T00:00:00Z"}]']
)
def test_a_page_that_does_not_tell(page: bytes) -> None:
    """Nothing is made up."""
    assert created_within(memoryview(page)) is None


def test_moments_are_found_at_both_ends_of_a_long_page() -> None:
    """Also when the last row is longer than what is looked at first."""
    long = b'[{"createdon": "2024-01-01T00:00:00Z"},{"createdon":"2024-01-01T00:00:09Z","x":"' + b"x" * 100_000 + b'"}]'
    assert created_within(memoryview(long)) == (moment(0), moment(9))
