"""The limits: what counts, when it is refused, with which words, and how fast one may be at best."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.dataverse.documents import DocumentError
from local.dataverse.limits import Entitlement, Gate, Limits
from local.dataverse.limits.window import Window
from local.dataverse.refusals import Refusal


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def call(gate: Gate, clock: Clock, *, user: str = "u", rows: int = 1, cookie: str = "") -> float:
    """One request from admission to answer; gives how long it took."""
    visit = gate.enter(user, cookie)
    visit.admit()
    wait_s = visit.execute(rows, 1)
    clock.now += wait_s
    visit.leave()
    return wait_s


def refused(gate: Gate, **words: str) -> Refusal:
    with pytest.raises(Refusal) as found:
        gate.enter(words.get("user", "u"), words.get("cookie", "")).admit()
    assert found.value.status == 429
    return found.value


def retry_after(refusal: Refusal) -> int:
    return int(dict(refusal.headers)["Retry-After"])


def told(gate: Gate, name: str, user: str = "u") -> str:
    return next(value for header, value in gate.enter(user).headers() if header == name)


def test_the_request_after_the_last_allowed_one_is_refused(clock: Clock) -> None:
    """6,000 requests pass in five minutes, the next is refused by code, text and Retry-After; later it passes."""
    gate = Gate(Limits(), clock)
    for number in range(6000):
        clock.now = 1000 + number / 100
        call(gate, clock)
    found = refused(gate)
    assert found.code == "0x80072322"
    assert found.message == "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
    assert retry_after(found) == 241
    clock.now += 241
    call(gate, clock)


def test_execution_time_is_refused_once_used_up(clock: Clock) -> None:
    """1,200 seconds of execution in five minutes pass, and what exceeds them is told in milliseconds."""
    gate = Gate(Limits(call_ms=50, row_ms=4), clock)
    visits = [gate.enter("u") for _ in range(52)]
    for visit in visits:
        visit.admit()
        assert visit.execute(5755, 1) == pytest.approx(23.07)
    clock.now += 23.07
    for visit in visits:
        visit.leave()
    call(gate, clock, rows=100)
    found = refused(gate)
    assert found.code == "0x80072321"
    assert "exceeded limit of 1,200,000 milliseconds over time window of 300 seconds" in found.message
    assert retry_after(found) == 300


def test_concurrent_requests_are_refused_at_once_and_block_nobody(clock: Clock) -> None:
    """The 53rd at a time is refused; once one has left the next passes."""
    gate = Gate(Limits(), clock)
    visits = [gate.enter("u") for _ in range(52)]
    for visit in visits:
        visit.admit()
    found = refused(gate)
    assert (found.code, found.message) == ("0x80072326", "Number of concurrent requests exceeded the limit of 52.")
    visits[0].leave()
    call(gate, clock)
    assert gate.gauges()[0].blocked_s == 0


def test_pressure_lengthens_the_pause(clock: Clock) -> None:
    """Who asks on while refused waits longer, up to a whole window."""
    gate = Gate(Limits(requests=1, window_s=10, pressure_s=3), clock)
    call(gate, clock)
    assert [retry_after(refused(gate)) for _ in range(4)] == [10, 10, 10, 10]
    clock.now += 8
    assert [retry_after(refused(gate)) for _ in range(3)] == [5, 8, 10]


def test_users_and_servers_have_limits_of_their_own(clock: Clock) -> None:
    """Another user passes; without a cookie the servers take turns, with one the server stays."""
    gate = Gate(Limits(requests=1, servers=2), clock)
    call(gate, clock)
    call(gate, clock)
    refused(gate)
    call(gate, clock, user="other")
    gate = Gate(Limits(requests=2, servers=2), clock)
    cookie = told(gate, "Set-Cookie", user="first").partition(";")[0]
    for _ in range(2):
        call(gate, clock, cookie=f"a=b; {cookie}")
    refused(gate, cookie=cookie)
    assert {gauge.server for gauge in gate.gauges() if gauge.user == "u"} == {1}


def test_users_who_take_turns_share_the_servers(clock: Clock) -> None:
    """Two users whose requests alternate are each spread over both servers."""
    gate = Gate(Limits(servers=2), clock)
    for user in ("one", "other") * 4:
        call(gate, clock, user=user)
    assert {(gauge.user, gauge.server): gauge.requests for gauge in gate.gauges()} == {
        (user, server): 2 for user in ("one", "other") for server in (1, 2)
    }


def test_headers_are_in_the_services_form(clock: Clock) -> None:
    """A whole number, a number with a grouping comma and two decimals, and the hint over all servers."""
    gate = Gate(Limits(servers=2, call_ms=1500), clock)
    for _ in range(2):
        call(gate, clock)
    assert told(gate, "x-ms-ratelimit-burst-remaining-xrm-requests") == "5999"
    assert told(gate, "x-ms-ratelimit-time-remaining-xrm-requests") == "1,198.50"
    assert told(gate, "x-ms-dop-hint") == "8"
    assert told(Gate(), "x-ms-ratelimit-time-remaining-xrm-requests") == "1,200.00"


def test_a_limit_that_there_is_not_is_told_as_untouched(clock: Clock) -> None:
    """A client that slows down near the end of a limit does not slow down for none."""
    gate = Gate(Limits(requests=None, execution_s=None, call_ms=1500), clock)
    call(gate, clock)
    assert told(gate, "x-ms-ratelimit-burst-remaining-xrm-requests") == "5999"
    assert told(gate, "x-ms-ratelimit-time-remaining-xrm-requests") == "1,200.00"


def test_a_scaled_window_keeps_the_rates_and_the_words(clock: Clock) -> None:
    """Five minutes in five seconds: a hundred requests fit, the text and the headers stay the service's."""
    gate = Gate(Limits(scale=1 / 60), clock)
    for _ in range(100):
        call(gate, clock)
    assert "6000 over time window of 300 seconds" in refused(gate).message
    assert told(gate, "x-ms-ratelimit-burst-remaining-xrm-requests") == "0"
    clock.now += 5
    call(gate, clock)


@pytest.mark.parametrize("threads", [4, 8, 16])
def test_nobody_is_faster_than_the_ceiling(threads: int, clock: Clock) -> None:
    """An obedient client on two servers comes near 2 x 4 execution seconds per second, and never above."""
    limits = Limits(servers=2, scale=1 / 60, call_ms=50, row_ms=4)
    gate, size, seconds = Gate(limits, clock), 100, 120.0
    ends = [(1000.0, None)] * threads
    rows = 0
    while ends:
        ends.sort(key=lambda end: end[0])
        clock.now, visit = ends.pop(0)
        if visit is not None:
            visit.leave()  # type: ignore[attr-defined]
            rows += size
        if clock.now < 1000 + seconds:
            ends.append(start(gate, clock, size))
    ceiling = 8 / (0.05 / size + 0.004)
    used = rows / seconds
    assert used <= ceiling * 1.05  # the first window starts empty
    if threads >= 8:
        assert used >= ceiling * 0.8


def start(gate: Gate, clock: Clock, rows: int) -> tuple[float, object]:
    visit = gate.enter("u")
    try:
        visit.admit()
    except Refusal as refusal:
        return clock.now + retry_after(refusal), None
    return clock.now + visit.execute(rows, 1), visit


def test_capacity_lets_requests_wait_for_their_turn(clock: Clock) -> None:
    """A server that executes two seconds per second is behind after the third request of a second."""
    gate = Gate(Limits(capacity=2, call_ms=1000), clock)
    waits = []
    for _ in range(4):
        visit = gate.enter("u")
        visit.admit()
        waits.append(visit.execute(1, 1))
    assert waits == [1.0, 1.0, 1.5, 2.0]


def test_rows_that_are_read_may_take_less(clock: Clock) -> None:
    """A page of rows has its own time; without one it takes as long as a write."""
    assert Limits(call_ms=50, row_ms=4, read_row_ms=0.1).service_time(5000, 1, reading=True) == pytest.approx(0.55)
    assert Limits(call_ms=50, row_ms=4).service_time(100, 1, reading=True) == pytest.approx(0.45)
    assert Limits(call_ms=50, row_ms=4, operation_ms=10).service_time(100, 11) == pytest.approx(0.55)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(0, 9)), max_size=30), st.integers(1, 20))
def test_a_window_counts_what_is_younger_than_its_length(steps: list[tuple[float, int]], limit: int) -> None:
    """The sum is that of the last ten seconds, and `room_at` is the first moment at which it is below a limit."""
    window, now, added = Window(10), 0.0, []
    for pause, amount in steps:
        now += pause
        window.add(now, amount)
        added.append((now, amount))
    assert window.total(now) == sum(amount for moment, amount in added if moment > now - 10)
    moment = window.room_at(now, limit)
    assert sum(amount for start, amount in added if start + 10 > moment) < limit
    assert moment == now or sum(amount for start, amount in added if start + 10 >= moment) >= limit


def test_the_day_counts_each_request_and_begins_anew() -> None:
    """Per user, until midnight UTC."""
    now = [datetime(2026, 3, 1, 23, 59, tzinfo=UTC)]
    entitlement = Entitlement(lambda: now[0])
    entitlement.count("u", 100)
    entitlement.count("u", 1)
    entitlement.count("v", 2)
    assert entitlement.used == {"u": 101, "v": 2}
    now[0] += timedelta(minutes=1)
    assert entitlement.used == {}


@pytest.mark.parametrize(
    ("document", "said"),
    [({"requets": 1}, "requets"), ({"servers": 0}, "servers"), ({"scale": "fast"}, "scale"), ([], "limits")],
)
def test_limits_from_a_document_are_checked(document: object, said: str) -> None:
    """A wrong member is named; right ones are taken."""
    with pytest.raises(DocumentError, match=said):
        Limits.of(document)
    assert Limits.of({"servers": 2, "requests": None}) == Limits(servers=2, requests=None)


def test_without_simulated_time_the_time_that_it_took_counts(clock: Clock) -> None:
    """A request that took two and a half seconds leaves so much less, and its answer waits no longer."""
    gate = Gate(Limits(), clock)
    visit = gate.enter("u")
    visit.admit()
    clock.now += 2.5
    assert visit.execute(1, 1) == 0
    visit.leave()
    assert told(gate, "x-ms-ratelimit-time-remaining-xrm-requests") == "1,197.50"
