"""Every row gets the outcome it deserves: one bad record never sinks its neighbours, nothing is doubled or lost."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.dataverse.payloads import Columns
from shared.dataverse.throughput.told import Limit
from shared.dataverse.writing import ID_TAKEN, Writer
from shared.dataverse.writing.batch import read_answers
from shared.dataverse.writing.chunks import chunks
from shared.errors import DestinationError, ThrottledError, UnavailableError
from shared.values.changes import OutcomeStatus, Write, WriteKind
from tests.unit.dataverse.service import Say, Service, Time, Tokens, account_table, refusal, row_id, transport_to
from tests.unit.dataverse.small_table import SmallTable

BULK = account_table(bulk_create=True, bulk_update=True)
PLAIN = account_table()
ELASTIC = account_table(bulk_create=True, bulk_update=True, elastic=True)
DONE, REJECTED, CONFLICT = OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.CONFLICT
IN_DOUBT, NOT_ATTEMPTED = OutcomeStatus.IN_DOUBT, OutcomeStatus.NOT_ATTEMPTED
TOO_LONG = (400, "0x80044331", "The length of the 'name' attribute exceeded the maximum")


def refuse_bad(row: dict):
    return TOO_LONG if row.get("name") == "bad" else None


def writes(*names: str, start: int = 0) -> list[Write]:
    return [Write(100 + n, row_id(start + n), json.dumps({"name": name})) for n, name in enumerate(names)]


def statuses(outcomes) -> list[OutcomeStatus]:
    return [outcome.status for outcome in outcomes]


@pytest.fixture
def writing(serve, time):
    """A writer over a small table; closes its transport with the test."""
    opened = []

    def start(small: SmallTable, table=BULK, **more):
        service = serve(small)
        opened.append(transport_to(service.url, time))
        return Writer(opened[-1], table, **more)

    yield start
    for transport in opened:
        transport.close()


@pytest.mark.parametrize("table", [BULK, PLAIN, ELASTIC], ids=["bulk", "batch", "elastic"])
def test_a_row_lives(writing, table):
    """Created under our id, updated, deleted; each once."""
    small = SmallTable()
    writer = writing(small, table)
    created = writer.write(WriteKind.CREATE, writes("a", "b", "c"))
    assert statuses(created) == [DONE] * 3
    assert [outcome.change for outcome in created] == [100, 101, 102]
    assert list(small.rows) == [row_id(0), row_id(1), row_id(2)]
    assert statuses(writer.write(WriteKind.UPDATE, writes("A", "B"))) == [DONE] * 2
    assert small.rows[row_id(1)] == {"name": "B"}
    assert statuses(writer.write(WriteKind.DELETE, writes("", ""))) == [DONE] * 2
    assert list(small.rows) == [row_id(2)]


def test_empty_and_spaced_bodies(writing):
    """A body without members, or written over several lines, travels as well."""
    small = SmallTable()
    odd = [Write(1, row_id(1), "{}"), Write(2, row_id(2), '{\n  "name": "x"\n}')]
    assert statuses(writing(small, BULK).write(WriteKind.CREATE, odd)) == [DONE, DONE]
    assert statuses(writing(small, PLAIN).write(WriteKind.UPDATE, odd)) == [DONE, DONE]
    assert small.rows == {row_id(1): {}, row_id(2): {"name": "x"}}


def test_calls_are_bounded_in_rows(writing):
    """No call holds more than the batch size."""
    small = SmallTable()
    writing(small, batch_size=4).write(WriteKind.CREATE, writes(*"abcdefghij"))
    assert max(small.bulk_calls) <= 4
    assert sum(small.bulk_calls) == 10


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 7), st.integers(410, 3000))
def test_chunks_keep_order_and_never_repeat_a_row(numbers, most, most_bytes):
    """All positions in order; no chunk too long, too large (save a single row) or with a row twice."""
    rows = [Write(n, row_id(number)) for n, number in enumerate(numbers)]
    found = list(chunks(Columns.of(rows), range(len(rows)), most=lambda left: most, most_bytes=most_bytes))
    assert [position for chunk in found for position in chunk] == list(range(len(rows)))
    for chunk in found:
        assert len(chunk) <= most
        assert len({rows[position].row_id for position in chunk}) == len(chunk)
        assert len(chunk) == 1 or 402 * len(chunk) <= most_bytes


def test_one_row_twice_is_applied_in_order(writing):
    """The later update of a row wins, for it goes in a later call."""
    small = SmallTable()
    writer = writing(small)
    writer.write(WriteKind.CREATE, writes("a"))
    twice = [Write(1, row_id(0), '{"name":"first"}'), Write(2, row_id(0), '{"name":"second"}')]
    assert statuses(writer.write(WriteKind.UPDATE, twice)) == [DONE, DONE]
    assert small.rows[row_id(0)] == {"name": "second"}


@pytest.mark.parametrize("table", [BULK, PLAIN, ELASTIC], ids=["bulk", "batch", "elastic"])
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 79), max_size=80))
def test_bad_records_never_sink_their_neighbours(table, bad):
    """Whatever rows are bad, exactly those are rejected, with Dataverse's code; the others land."""
    small = SmallTable(refuse_bad)
    service = Service(small)
    try:
        with transport_to(service.url, Time()) as transport:
            names = ["bad" if n in bad else "good" for n in range(80)]
            outcomes = Writer(transport, table).write(WriteKind.CREATE, writes(*names))
    finally:
        service.close()
    assert {n for n, outcome in enumerate(outcomes) if outcome.status is REJECTED} == bad
    assert all(outcome.code == "0x80044331" and outcome.request_id for outcome in outcomes if outcome.message)
    assert set(small.rows) == {row_id(n) for n in range(80) if n not in bad}


TROUBLES = st.sampled_from(
    [
        None,
        ("before", Say(cut=True)),
        ("after", Say(cut=True)),
        ("before", Say(503)),
        ("after", Say(502)),
        ("after", Say(500, "oops")),
        ("after", Say(200, b"--b\r\n", {"Content-Type": "multipart/mixed; boundary=b"})),
        ("before", refusal(500, "0x80044150", "Sql Number: 1205")),
        ("before", refusal(500, "0x80044151", "Sql Number: -2")),
        ("before", refusal(429, "0x80072322", "limit", **{"Retry-After": "3"})),
        ("before", Say(413)),
    ]
)


@pytest.mark.parametrize("table", [BULK, PLAIN], ids=["bulk", "batch"])
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    troubles=st.lists(TROUBLES, max_size=12),
    bad=st.sets(st.integers(0, 39), max_size=4),
    kind=st.sampled_from(WriteKind),
)
def test_no_trouble_on_the_way_makes_an_outcome_untrue(table, troubles, bad, kind):
    """Whatever happens to the requests: done is done once, rejected is not there, and the bad are never done."""
    small = SmallTable()
    rows = writes(*["bad" if n in bad else "good" for n in range(40)])
    if kind is not WriteKind.CREATE:
        small.rows = {one.row_id: {"name": "bad" if n in bad else "old"} for n, one in enumerate(rows)}
    small.rule = refuse_bad
    plan = list(troubles)
    now = []

    def before(seen):
        now[:] = [plan.pop(0) if plan and seen.method == "POST" else None]
        return now[0][1] if now[0] and now[0][0] == "before" else None

    small.before = before
    small.after = lambda seen: now[0][1] if now and now[0] and now[0][0] == "after" else None
    service = Service(small)
    try:
        with transport_to(service.url, Time()) as transport:
            outcomes = Writer(transport, table, batch_size=20).write(kind, rows)
    except (DestinationError, UnavailableError):
        outcomes = []  # told as a whole: nothing is claimed of any row
    finally:
        service.close()
    for n, outcome in enumerate(outcomes):
        row = small.rows.get(row_id(n))
        if outcome.status is DONE:
            assert n not in bad
            assert row == (None if kind is WriteKind.DELETE else {"name": "good"})
            assert kind is not WriteKind.CREATE or small.versions[row_id(n)] == 1
        if outcome.status is REJECTED:
            assert n in bad or outcome.code != TOO_LONG[1]
            assert row == (None if kind is WriteKind.CREATE else {"name": "bad" if n in bad else "old"})


def test_narrowing_is_cheap(writing):
    """One bad record among a thousand costs about ten bulk calls and one batch, also where nothing was measured."""
    small = SmallTable(refuse_bad)
    names = ["good"] * 1000
    names[617] = "bad"
    outcomes = writing(small, first_rows=1000).write(WriteKind.CREATE, writes(*names))
    assert statuses(outcomes).count(DONE) == 999
    assert len(small.bulk_calls) <= 12
    assert len(small.batches) == 1
    assert small.batches[0] <= 500


def test_many_bad_records_go_straight_to_batches(writing):
    """When failures are common, halving stops and its cost does not grow."""
    small = SmallTable(refuse_bad)
    outcomes = writing(small).write(WriteKind.CREATE, writes(*["good", "bad"] * 500))
    assert statuses(outcomes) == [DONE, REJECTED] * 500
    assert len(small.bulk_calls) + len(small.batches) < 40


@pytest.mark.parametrize(
    "answer",
    [refusal(500, "0x80044151", "SQL timeout expired"), Say(413), refusal(400, "0x80040216", "Message size exceeded")],
)
def test_what_is_too_large_is_halved(writing, answer):
    """A call that is too slow or large is sent in halves until it fits."""
    small = SmallTable()
    sizes = []

    def too_large(seen):
        size = len(json.loads(seen.body)["Targets"]) if "Multiple" in seen.path else 0
        sizes.append(size)
        return answer if size > 3 else None

    small.before = too_large
    assert statuses(writing(small).write(WriteKind.CREATE, writes(*"abcdefghij"))) == [DONE] * 10
    assert max(small.bulk_calls) <= 3


def test_deadlocks_pass(writing, time):
    """A deadlocked bulk create is rolled back, so it is simply sent again after a pause."""
    small = SmallTable()
    left = [refusal(500, "0x80044150", "Sql Number: 1205")] * 2
    small.before = lambda seen: left.pop() if left else None
    assert statuses(writing(small).write(WriteKind.CREATE, writes(*"abc"))) == [DONE] * 3
    assert time.slept == [1.0, 2.0]


def test_a_deadlocked_row_of_a_batch_is_sent_again(writing):
    """Only that row, a few times; when it stays it is rejected."""
    left = [True] * 2
    small = SmallTable(
        lambda row: (500, "0x80044150", "Sql Number: 1205") if row["name"] == "x" and left and left.pop() else None
    )
    assert statuses(writing(small, PLAIN).write(WriteKind.CREATE, writes("a", "x", "b"))) == [DONE] * 3
    assert small.batches == [3, 1, 1]
    small.rule = lambda row: (500, "0x80044150", "Sql Number: 1205")
    stuck = writing(small, PLAIN).write(WriteKind.CREATE, writes("c", start=9))
    assert statuses(stuck) == [REJECTED]
    assert stuck[0].code == "0x80044150"


@pytest.mark.parametrize("table", [BULK, PLAIN, ELASTIC], ids=["bulk", "batch", "elastic"])
@pytest.mark.parametrize("cut", [Say(cut=True), Say(503), Say(500, "oops")], ids=["cut", "503", "500"])
def test_creates_that_landed_without_an_answer(writing, table, cut):
    """The answer is lost after the rows were created: they are found by their ids and done, not doubled."""
    small = SmallTable()
    left = [cut]
    small.after = lambda seen: left.pop() if left and seen.method == "POST" else None
    assert statuses(writing(small, table).write(WriteKind.CREATE, writes(*"abc"))) == [DONE] * 3
    assert len(small.rows) == 3
    assert set(small.versions.values()) == {1}


@pytest.mark.parametrize("table", [BULK, PLAIN], ids=["bulk", "batch"])
def test_creates_that_were_lost_on_the_way(writing, table):
    """The request never arrived: the rows are not there and are sent again."""
    small = SmallTable()
    left = [Say(cut=True)]
    small.before = lambda seen: left.pop() if left else None
    assert statuses(writing(small, table).write(WriteKind.CREATE, writes(*"abc"))) == [DONE] * 3
    assert set(small.versions.values()) == {1}


def test_a_create_that_commits_late_is_ours(writing):
    """Absent when looked up, there when sent again: it was our own."""
    small = SmallTable()
    late = [Say(cut=True)]

    def before(seen):
        if seen.method == "POST" and late:
            return late.pop()
        if seen.method == "GET" and not small.rows:
            answer = small.act(seen)
            small.rows[row_id(0)] = {"name": "a"}
            return answer
        return None

    small.before = before
    assert statuses(writing(small).write(WriteKind.CREATE, writes("a"))) == [DONE]


def test_creates_that_cannot_be_settled(writing):
    """No answer, and no way to look: in doubt, told as such."""
    small = SmallTable()
    small.after = lambda seen: Say(cut=True)
    outcomes = writing(small).write(WriteKind.CREATE, writes("a", "b"))
    assert statuses(outcomes) == [IN_DOUBT] * 2
    assert small.bulk_calls == [2]


def test_a_service_that_swallows_every_create(writing):
    """Absent again and again: sent a few times, then in doubt."""
    small = SmallTable()
    small.before = lambda seen: Say(cut=True) if seen.method == "POST" else None
    assert statuses(writing(small).write(WriteKind.CREATE, writes("a"))) == [IN_DOUBT]
    assert small.lookups == 3


@pytest.mark.parametrize("table", [BULK, PLAIN], ids=["bulk", "batch"])
@pytest.mark.parametrize("kind", [WriteKind.UPDATE, WriteKind.DELETE])
def test_updates_and_deletes_are_repeated(writing, table, kind):
    """They say the same the second time, so an answer that was lost is asked for again."""
    small = SmallTable()
    writer = writing(small, table)
    writer.write(WriteKind.CREATE, writes("a", "b"))
    left = [Say(cut=True)]
    small.after = lambda seen: left.pop() if left else None
    assert statuses(writer.write(kind, writes("A", "B"))) == [DONE] * 2


def test_an_id_that_exists_is_rejected(writing):
    """A create whose id somebody else's row has is rejected and says so; its neighbours land."""
    small = SmallTable()
    small.rows[row_id(1)] = {"name": "other"}
    outcomes = writing(small).write(WriteKind.CREATE, writes("a", "b", "c"))
    assert statuses(outcomes) == [DONE, REJECTED, DONE]
    assert outcomes[1].code == "0x80040237"
    assert outcomes[1].message.startswith(ID_TAKEN)
    assert small.rows[row_id(1)] == {"name": "other"}


def test_another_unique_value_is_not_the_id(writing):
    """The same code for another index: rejected without the claim that the id exists."""
    small = SmallTable(lambda row: (412, "0x80040237", "Cannot insert duplicate key") if row["name"] == "x" else None)
    outcomes = writing(small).write(WriteKind.CREATE, writes("a", "x"))
    assert statuses(outcomes) == [DONE, REJECTED]
    assert outcomes[1].message == "Cannot insert duplicate key"


def test_alternate_key_duplicates_are_rejected(writing):
    """0x80060892 sets the record aside."""
    small = SmallTable(lambda row: (412, "0x80060892", "Entity Key violated") if row["name"] == "x" else None)
    outcomes = writing(small).write(WriteKind.CREATE, writes("a", "x"))
    assert [outcome.code for outcome in outcomes] == [None, "0x80060892"]


def test_updates_never_create(writing):
    """A row that is gone is rejected on either road."""
    for table in (BULK, PLAIN):
        small = SmallTable()
        outcomes = writing(small, table).write(WriteKind.UPDATE, writes("a"))
        assert statuses(outcomes) == [REJECTED]
        assert outcomes[0].code == "0x80040217"
        assert small.rows == {}


def test_a_row_already_gone_is_deleted(writing):
    """Its absence is what was wanted."""
    assert statuses(writing(SmallTable()).write(WriteKind.DELETE, writes("a"))) == [DONE]


@pytest.mark.parametrize("kind", [WriteKind.UPDATE, WriteKind.DELETE])
def test_etags_guard(writing, kind):
    """A row that changed since it was read is a conflict; the others go through."""
    small = SmallTable()
    writer = writing(small)
    writer.write(WriteKind.CREATE, writes("a", "b"))
    guarded = [Write(1, row_id(0), '{"name":"A"}', 'W/"1"'), Write(2, row_id(1), '{"name":"B"}', 'W/"7"')]
    assert statuses(writer.write(kind, guarded)) == [DONE, CONFLICT]
    assert small.rows[row_id(1)] == {"name": "b"}


def test_a_guarded_update_without_answer_is_never_called_a_conflict(writing):
    """Its own first attempt may have changed the version: in doubt, to be compared by value."""
    small = SmallTable()
    writer = writing(small)
    writer.write(WriteKind.CREATE, writes("a"))
    left = [Say(cut=True)]
    small.after = lambda seen: left.pop() if left else None
    guarded = [Write(1, row_id(0), '{"name":"A"}', 'W/"1"')]
    assert statuses(writer.write(WriteKind.UPDATE, guarded)) == [IN_DOUBT]
    assert small.rows[row_id(0)] == {"name": "A"}


@pytest.mark.parametrize("table", [BULK, PLAIN], ids=["bulk", "batch"])
def test_a_missing_privilege_ends_the_job(writing, table):
    """Not a thousand rejects: one error that names the remedy."""
    small = SmallTable(lambda row: (403, "0x80040220", "missing prvCreateAccount privilege"))
    with pytest.raises(DestinationError, match="security role") as caught:
        writing(small, table).write(WriteKind.CREATE, writes(*"abc"))
    assert caught.value.code == "0x80040220"


def test_an_unknown_column_in_every_row_ends_the_job(writing):
    """When all rows are refused for it, the mapping is wrong."""
    small = SmallTable(lambda row: (400, "0x80048d19", "An undeclared property 'nam' which only has annotations"))
    with pytest.raises(DestinationError, match="mapping's targets"):
        writing(small).write(WriteKind.CREATE, writes(*["x"] * 12))


def test_an_unknown_column_in_some_rows_rejects_them(writing):
    """When others pass, it is theirs."""
    small = SmallTable(lambda row: (400, "0x80048d19", "An undeclared property") if row["name"] == "x" else None)
    assert statuses(writing(small).write(WriteKind.CREATE, writes(*["x"] * 11, "good"))) == [REJECTED] * 11 + [DONE]


def test_unfit_writes_are_set_aside(writing):
    """What cannot stand in a path, header or body is rejected before anything is sent; the others go."""
    small = SmallTable()
    odd = [
        Write(1, "not-a-guid"),
        Write(2, row_id(2), "[]"),
        Write(3, row_id(3), "{}", 'W/"1"\r\nX: y'),
        Write(4, row_id(4)),
    ]
    assert statuses(writing(small).write(WriteKind.CREATE, odd)) == [REJECTED] * 3 + [DONE]
    assert list(small.rows) == [row_id(4)]


def test_an_outage_before_anything_was_done_is_raised(writing):
    """The caller may simply come again."""
    small = SmallTable()
    small.before = lambda seen: refusal(429, "0x80072322", "limit", **{"Retry-After": "1000"})
    with pytest.raises(ThrottledError):
        writing(small).write(WriteKind.CREATE, writes("a"))


def test_an_outage_in_the_middle_leaves_the_rest_unattempted(writing):
    """What landed is told as done, the rest as not attempted: nothing is guessed."""
    small = SmallTable()
    throttled = refusal(429, "0x80072322", "limit", **{"Retry-After": "1000"})
    small.before = lambda seen: throttled if len(small.rows) >= 2 else None
    outcomes = writing(small, batch_size=2).write(WriteKind.CREATE, writes(*"abcde"))
    assert statuses(outcomes) == [DONE, DONE, NOT_ATTEMPTED, NOT_ATTEMPTED, NOT_ATTEMPTED]


def test_throttled_parts_are_sent_again(writing, time):
    """A 429 inside a batch waits as long as it says and repeats that row only."""
    left = [True]
    small = SmallTable(lambda row: (429, "0x80072322", "limit") if row["name"] == "x" and left and left.pop() else None)
    assert statuses(writing(small, PLAIN).write(WriteKind.CREATE, writes("a", "x"))) == [DONE] * 2
    assert small.batches == [2, 1]
    assert sum(time.slept) == 7, "the pause where none is named"
    small.part_headers = "Retry-After: 3\r\n"
    small.rule = lambda row: (429, "0x80072322", "limit")
    with pytest.raises(UnavailableError):
        writing(small, PLAIN).write(WriteKind.CREATE, writes("b", start=9))


@pytest.mark.parametrize(("users", "waited"), [(1, 33.0), (2, 1.0)])
def test_a_limit_met_within_a_batch_rests_the_credential(serve, time, users, waited):
    """It counts like a refusal of the whole call: that user rests, for every thread; another one goes on meanwhile."""
    left = [True]
    small = SmallTable(lambda row: (429, "0x80072322", "limit") if row["name"] == "x" and left and left.pop() else None)
    small.part_headers = "Retry-After: 33\r\n"
    with transport_to(serve(small).url, time, [Tokens() for _ in range(users)]) as transport:
        assert statuses(Writer(transport, PLAIN).write(WriteKind.CREATE, writes("a", "x"))) == [DONE] * 2
        uses, counts = transport.uses(), transport.requests
    assert sum(time.slept) == waited
    assert [use.refused[Limit.REQUESTS] for use in uses] == [1, 0][:users]
    assert all((Limit.REQUESTS in use.per_second) == bool(use.refused[Limit.REQUESTS]) for use in uses)
    assert (counts.throttled, counts.throttled_s) == (1, 33)


def test_a_batch_answer_cut_off_between_parts(writing):
    """Rows without a part are looked up or sent again; none is lost."""
    small = SmallTable()
    left = [1]

    def shortened(seen):
        if seen.method == "GET" or not left:
            return None
        left.pop()
        part = b"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n--b\r\nContent-Ty"
        return Say(200, part, {"Content-Type": "multipart/mixed; boundary=b"})

    small.after = shortened
    assert statuses(writing(small, PLAIN).write(WriteKind.CREATE, writes(*"abc"))) == [DONE] * 3
    assert set(small.versions.values()) == {1}


def test_an_outage_after_a_cut_answer_leaves_the_unanswered_in_doubt(writing, time):
    """Two rows met a limit, the longer pause counts; of the third nothing was said. Then nothing goes for long."""
    part = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 429 Too Many\r\nRetry-After: {}\r\n\r\n\r\n"
    body = "".join(part.format(seconds) for seconds in (33, 2)) + "--b\r\nContent-Ty"
    cut = Say(200, body.encode(), {"Content-Type": "multipart/mixed; boundary=b"})
    small, said = SmallTable(), [refusal(429, "0x80072322", "limit", **{"Retry-After": "1000"}), cut]
    small.before = lambda seen: said.pop()
    outcomes = writing(small, PLAIN).write(WriteKind.CREATE, writes(*"abc"))
    assert statuses(outcomes) == [NOT_ATTEMPTED, NOT_ATTEMPTED, IN_DOUBT]
    assert (sum(time.slept), said) == (33, [])


def test_ids_that_are_not_kept_end_the_job(serve, time):
    """A service that creates under other ids is no destination: nothing known would be true."""
    service = serve(lambda seen: Say(200, {"Ids": [row_id(99)]}))
    with transport_to(service.url, time) as transport, pytest.raises(DestinationError, match="does not keep the ids"):
        Writer(transport, BULK).write(WriteKind.CREATE, writes("a"))


@given(st.binary(max_size=200))
def test_any_batch_answer_is_survived(body):
    """Garbage gives no parts, never an exception."""
    parts = read_answers({"content-type": 'multipart/mixed; boundary="b"'}, b"--b\r\n" + body)
    assert parts is not None
    assert all(100 <= part.status <= 999 for part in parts)
    assert read_answers({"content-type": "application/json"}, body) is None
