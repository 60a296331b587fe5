"""What one row's refusal means: for a create whose answer was lost, for a delete, for a row that a refusal names."""

from __future__ import annotations

import json

import pytest

from shared.dataverse.refusals import Refusal
from shared.dataverse.writing import FOUND, Writer
from shared.dataverse.writing.run import Run
from shared.errors import DestinationError
from shared.values.changes import OutcomeStatus, Write, WriteKind
from tests.unit.dataverse.service import Say, account_table, refusal, row_id, transport_to
from tests.unit.dataverse.small_table import SmallTable

BULK = account_table(bulk_create=True, bulk_update=True)
PLAIN = account_table()
ELASTIC = account_table(bulk_create=True, bulk_update=True, elastic=True)
DONE, REJECTED, IN_DOUBT = OutcomeStatus.DONE, OutcomeStatus.REJECTED, OutcomeStatus.IN_DOUBT
KEY_TAKEN = (412, "0x80060892", "Entity Key Number violated. A record with the same value for Number already exists.")
RULE_HIT = (412, "0x80040333", "A record was not created or updated because a duplicate of the record already exists.")
NO_WORD = (412, "", "Precondition failed")


def writes(*names: str) -> list[Write]:
    return [Write(100 + n, row_id(n), json.dumps({"name": name})) for n, name in enumerate(names)]


@pytest.fixture
def writing(serve, time):
    """A writer over a small table; closes its transport with the test."""
    opened = []

    def make(small: SmallTable, table=BULK, **more) -> Writer:
        transport = transport_to(serve(small).url, time)
        opened.append(transport)
        return Writer(transport, table, **more)

    yield make
    for transport in opened:
        transport.close()


def committing_late(small: SmallTable, refused: tuple[int, str, str]) -> None:
    """The first create has no answer and is not there when looked for; it lands before it comes a second time."""
    posts = []

    def before(seen):
        if seen.method != "POST":
            return None
        posts.append(seen)
        if len(posts) == 1:
            return Say(cut=True)
        if len(posts) == 2:
            small.rows |= {row_id(n): {"name": f"ours {n}"} for n in range(2)}
        return None

    small.before = before
    put = small.put
    small.put = lambda create, one, *rest: refused if create and one in small.rows else put(create, one, *rest)


@pytest.mark.parametrize("table", [BULK, PLAIN], ids=["bulk", "batch"])
@pytest.mark.parametrize("refused", [KEY_TAKEN, RULE_HIT, NO_WORD], ids=["key", "rule", "412"])
def test_a_create_that_lands_late_is_not_called_refused(writing, table, refused):
    """It meets itself when it is sent again, by whatever index or rule: there, and told as found."""
    small = SmallTable()
    committing_late(small, refused)
    outcomes = writing(small, table).write(WriteKind.CREATE, writes("a", "b"))
    assert [(one.status, one.message) for one in outcomes] == [(DONE, FOUND)] * 2


def test_a_doubtful_create_that_was_refused_and_is_not_there_keeps_its_reason(writing):
    """The look finds nothing: it is Dataverse's refusal that counts."""
    small = SmallTable(lambda row: KEY_TAKEN if row["name"] == "a" else None)
    left = [Say(cut=True)]
    small.before = lambda seen: left.pop() if left else None
    outcomes = writing(small).write(WriteKind.CREATE, writes("a", "b"))
    assert [(one.status, one.code) for one in outcomes] == [(REJECTED, KEY_TAKEN[1]), (DONE, None)]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (f"account With Id = {row_id(0)} Does Not Exist", DONE),
        (f"account With Id = {row_id(0).upper()} Does Not Exist", DONE),
        ("The row was not found", DONE),
        (f"contact With Id = {row_id(77)} Does Not Exist", REJECTED),
    ],
)
def test_a_delete_is_done_only_when_its_own_row_is_gone(writing, message, status):
    """What a plug-in of the table did not find is another row: this one is still there, and that is told."""
    small = SmallTable()
    small.rows = {row_id(0): {"name": "a"}}
    small.delete = lambda *_: (404, "0x80040217", message)
    (outcome,) = writing(small).write(WriteKind.DELETE, [Write(1, row_id(0))])
    assert outcome.status is status
    assert (outcome.code == "0x80040217") is (status is REJECTED)


def test_a_batch_that_keeps_other_ids_ends_the_job(writing):
    """Created under another id than was sent, a row would be created again with every repeat."""
    small = SmallTable()
    answer = f"HTTP/1.1 204 No Content\r\nOData-EntityId: https://x/accounts({row_id(9)})\r\n"
    part = f"--b\r\nContent-Type: application/http\r\n\r\n{answer}\r\n\r\n--b--\r\n"
    small.after = lambda seen: Say(200, part.encode(), {"Content-Type": "multipart/mixed; boundary=b"})
    with pytest.raises(DestinationError, match="does not keep the ids"):
        writing(small, PLAIN).write(WriteKind.CREATE, writes("a"))


@pytest.mark.parametrize("table", [BULK, PLAIN], ids=["bulk", "batch"])
def test_an_update_that_may_have_been_made_is_not_called_refused(writing, table):
    """It was made, its answer was lost, and the repeat is refused for its size: nobody knows, and nobody says so."""
    small = SmallTable()
    small.rows = {row_id(0): {"name": "old"}}
    answers = [Say(cut=True)]
    small.before = lambda seen: None if answers else Say(413)
    small.after = lambda seen: answers.pop() if answers else None
    (outcome,) = writing(small, table).write(WriteKind.UPDATE, writes("new"))
    assert small.rows[row_id(0)] == {"name": "new"}
    assert outcome.status is IN_DOUBT


def test_a_create_that_an_elastic_table_may_have_half_made_is_not_repeated(writing):
    """A deadlock rolls a call back elsewhere; here it may have left rows, so each is settled by itself."""
    small, calls = SmallTable(), []
    deadlock = (500, "0x80044150", "Generic SQL error. Sql Number: 1205")

    def before(seen):
        calls.append(seen.path.partition("?")[0].rpartition(".")[2])
        return refusal(*deadlock) if calls[-1] == "CreateMultiple" else None

    small.before = before
    found = writing(small, ELASTIC).write(WriteKind.CREATE, writes("a", "b"))
    assert [one.status for one in found] == [DONE, DONE]
    assert calls.count("CreateMultiple") == 1


@pytest.mark.parametrize(("bad", "sure"), [(1, False), (6, True)], ids=["first half", "second half"])
def test_a_bad_row_is_sure_only_where_it_must_be(writing, monkeypatch, bad, sure):
    """When the first half lands, the second has the bad row; when it did not, nothing is known of the second."""
    tried = []

    def sent(run, positions, *, sure, likely=0):
        tried.append((list(positions), sure))
        if bad in positions:
            run.rejected(bad, Refusal(400, None, "", None))

    writer = writing(SmallTable())
    monkeypatch.setattr(writer, "_send_as_measured", sent)
    writer._in_halves(Run(WriteKind.CREATE, writes(*"abcdefgh")), range(8))
    assert tried == [([0, 1, 2, 3], False), ([4, 5, 6, 7], sure)]
