from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from shared.dataverse.relations import Relationship
from shared.definitions.behaviour import Deactivate
from shared.engine.noted import Noted
from shared.engine.plan import PlanRow
from shared.engine.readback import Present
from shared.engine.undoing.going import Below, Going
from shared.engine.undoing.originals import Original
from shared.engine.undoing.removing import Creation, Judge, Removal
from shared.engine.undoing.reverting import AsLeft, Reverter, Standing
from shared.engine.undoing.wire import Referents
from shared.engine.workspace import Limits, Workspace, workspace_folder
from shared.errors import DestinationError
from shared.values.changes import Action, ChunkOutcome, Outcome, OutcomeStatus
from shared.values.tables import Column, ColumnKind, Option, Table

TABLE = Table("account", "Account", "accounts", "accountid", "name", {})
PARENT = Relationship("account", "accounts", "accountid", "parentaccountid", "RemoveLink")
COMPANY = Relationship("contact", "contacts", "contactid", "parentcustomerid", "Cascade")
SEEN = Relationship("new_note", "new_notes", "new_noteid", "new_account", "RemoveLink")


def guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


class FakeRelations:
    """Rows that refer to others, by relationship; a table in `closed` cannot be read."""

    def __init__(self, *pairs: tuple[Relationship, str, str], closed: str = "") -> None:
        self.pairs, self.closed = pairs, closed

    def below(self, _: str) -> tuple[Relationship, ...]:
        return PARENT, COMPANY, SEEN

    def referring(self, relationship: Relationship, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        if relationship.entity == self.closed:
            raise DestinationError("403: no right to read")
        wanted = set(ids)
        for one, child, parent in self.pairs:
            if one == relationship and guid(parent) in wanted:
                yield guid(child), guid(parent)


@pytest.fixture
def going() -> Iterator[Going]:
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        workspace.run(
            "CREATE TABLE plan (action VARCHAR, id UUID, key VARCHAR, row_no BIGINT, before VARCHAR, after VARCHAR, "
            "later VARCHAR, deferred VARCHAR)"
        )
        made = Going(workspace, TABLE)
        made.begin()
        yield made


def add(going: Going, names: str) -> None:
    going.add([(guid(name), name, number, "{}") for number, name in enumerate(names, start=1)])


def planned(going: Going) -> list[str]:
    return [str(key) for (key,) in going.workspace.rows("SELECT key FROM plan ORDER BY rowid")]


def below(*pairs: tuple[Relationship, str, str], closed: str = "") -> Below:
    return Below.of(FakeRelations(*pairs, closed=closed), TABLE)  # type: ignore[arg-type]


def settle(going: Going, below: Below) -> None:
    """Look for the rows that refer to those that go, then decide."""
    for ids in going.batches():
        going.look(below, ids)
    going.settle()


def test_a_row_goes_before_the_row_that_it_refers_to(going: Going) -> None:
    """In waves: leaves first; each wave begins at the change that is told."""
    add(going, "abcde")
    pairs = [(PARENT, "b", "a"), (PARENT, "c", "b"), (PARENT, "d", "a")]
    settle(going, below(*pairs))
    assert going.left() == []
    assert going.plan_deletes() == (4, 5)
    assert planned(going) == ["c", "d", "e", "b", "a"]


def test_rows_in_a_circle_go_together(going: Going) -> None:
    """None of them is first; what hangs below them goes before, and a row that refers to itself is no child."""
    add(going, "abcs")
    settle(going, below((PARENT, "a", "b"), (PARENT, "b", "a"), (PARENT, "c", "a"), (PARENT, "s", "s")))
    assert going.left() == []
    assert going.plan_deletes() == (3,)
    assert planned(going) == ["c", "s", "a", "b"]


def test_a_row_that_others_refer_to_stays_and_keeps_its_parents(going: Going) -> None:
    """Counted by table and column; a row that goes is no reason to stay."""
    add(going, "abc")
    pairs = [(PARENT, "b", "a"), (PARENT, "c", "b"), (COMPANY, "x", "b"), (COMPANY, "y", "b"), (SEEN, "z", "b")]
    settle(going, below(*pairs))
    left = {key: reason for _, key, _, reason in going.left()}
    assert left == {
        "a": "other rows refer to it (1 of account.parentaccountid); it is left alone",
        "b": "other rows refer to it (2 of contact.parentcustomerid, 1 of new_note.new_account); it is left alone",
    }
    assert (going.plan_deletes(), planned(going)) == ((), ["c"])


def test_a_lookup_that_the_undo_takes_back_keeps_nothing(going: Going) -> None:
    """An older row that was linked to a created one refers to it no more."""
    add(going, "a")
    going.unlink([(guid("old"), "parentaccountid")])
    settle(going, below((PARENT, "old", "a")))
    assert going.left() == []


def test_rows_that_are_not_deleted_come_in_their_own_order(going: Going) -> None:
    """Deactivated: one wave, with the members of the new state."""
    add(going, "ba")
    settle(going, below((PARENT, "b", "a")))
    assert going.plan_updates(Action.DEACTIVATE, {"statecode": 1}) == (1,)
    rows = going.workspace.rows("SELECT action, key, row_no, after FROM plan ORDER BY rowid")
    assert rows == [("deactivate", "b", None, '{"statecode":1}'), ("deactivate", "a", None, '{"statecode":1}')]


def test_a_table_that_cannot_be_read_is_told_or_ends_the_undo(going: Going) -> None:
    """Where a delete would take its rows along, nobody may guess."""
    add(going, "a")
    unseen = below(closed="new_note")
    settle(going, unseen)
    assert list(unseen.unseen) == ["new_note.new_account"]
    with pytest.raises(DestinationError, match=r"whether rows of contact refer to .* the right to read contact"):
        settle(going, below(closed="contact"))


def test_the_last_look_refuses_a_delete_with_a_child() -> None:
    """But for children that go in the same request; other changes are not looked at."""
    rows = [
        PlanRow(n, Action.DELETE, guid(name), name, None, "{}", None, None) for n, name in enumerate("abc", start=1)
    ]
    update = rows[0]._replace(change=9, action=Action.UPDATE, id=guid("u"))
    found = below((COMPANY, "x", "a"), (PARENT, "b", "c"), (COMPANY, "x", "u")).guard([*rows, update])
    assert [(n, outcome.status) for n, outcome in found.items()] == [(1, OutcomeStatus.CONFLICT)]
    assert "1 of contact.parentcustomerid" in str(found[1].message)
    assert below().guard([update]) == {}


def test_notes_of_both_steps_are_told_apart() -> None:
    """Links are noted when all creates and updates are; deletes come after them."""
    done, lost = Outcome(2, OutcomeStatus.REJECTED, link="parentaccountid"), Outcome(7, OutcomeStatus.CONFLICT)
    noted = Noted(
        [
            ChunkOutcome(2, 1, 4, answered=True, exceptions=(done,)),
            ChunkOutcome(0, 1, 3, answered=True),
            ChunkOutcome(1, 4, 5, answered=False),
            ChunkOutcome(3, 6, 7, answered=True, exceptions=(lost,)),
        ]
    )
    first = [noted.first.outcome(change).status.value for change in range(1, 9)]
    assert first == ["done", "done", "done", "in_doubt", "in_doubt", "done", "conflict", "not_attempted"]
    assert noted.links.outcome(2) is done
    assert noted.final(2, deferred=True) is done
    assert noted.final(2, deferred=False).status is OutcomeStatus.DONE
    assert noted.final(4, deferred=True).status is OutcomeStatus.IN_DOUBT
    assert noted.final(5, deferred=True).status is OutcomeStatus.IN_DOUBT
    assert Noted([]).final(1, deferred=True).status is OutcomeStatus.NOT_ATTEMPTED


STATUS = Column(
    "statuscode",
    "StatusCode",
    ColumnKind.STATUS,
    "StatusType",
    options=(Option(1, "Active", 0), Option(2, "Gone", 1), Option(3, "Closed", 1)),
)


@pytest.mark.parametrize(
    ("undo", "deletable", "columns", "reason", "possible"),
    [
        ("delete", True, {}, None, True),
        ("delete", False, {"statuscode": STATUS}, 2, True),
        ("delete", False, {}, None, False),
        (Deactivate(deactivate="closed"), True, {"statuscode": STATUS}, 3, True),
        (Deactivate(deactivate=2), True, {"statuscode": STATUS}, 2, True),
        (Deactivate(deactivate="closed"), True, {}, None, False),
    ],
)
def test_what_becomes_of_created_rows(
    undo: str | Deactivate, deletable: bool, columns: dict[str, Column], reason: int | None, possible: bool
) -> None:
    """Deleted; deactivated where the definition says so or the table forbids deletes; or neither."""
    table = Table("t", "T", "ts", "tid", None, columns, deletable=deletable)
    removal = Removal.of(undo, table)
    assert (removal.inactive and removal.inactive.value, removal.possible) == (reason, possible)


class FakePlan:
    """A plan whose changes write a name and a parent."""

    def sent_values(self, row: PlanRow) -> dict[str, object]:
        return dict(orjson.loads(row.after or "{}"))


@pytest.mark.parametrize(
    ("status", "parent", "expected"),
    [
        (OutcomeStatus.IN_DOUBT, None, {"_parentaccountid_value": None}),
        (OutcomeStatus.IN_DOUBT, "old", {}),
        (OutcomeStatus.IN_DOUBT, "third", None),
        (OutcomeStatus.DONE, None, None),
    ],
)
def test_a_change_in_doubt_whose_old_link_a_delete_cleared(
    status: OutcomeStatus, parent: str | None, expected: dict[str, object] | None
) -> None:
    """It was not carried out, so its link is put back; a link to another row, or one that was set, was edited."""
    lookup = Column("parentaccountid", "_parentaccountid_value", ColumnKind.LOOKUP, "LookupType")
    name = Column("name", "name", ColumnKind.TEXT, "StringType")
    columns = {column.read_name: column for column in (lookup, name)}
    reverter = Reverter(FakePlan(), AsLeft(columns, {"old"}), Referents(FakeRelations(), TABLE))  # type: ignore[arg-type]
    old = {"name": "before", "_parentaccountid_value": "old"}
    wrote = {"name": "after", "_parentaccountid_value": "new"}
    texts = (orjson.dumps(old).decode(), orjson.dumps(wrote).decode())
    row = PlanRow(1, Action.UPDATE, guid("a"), "a", 1, *texts, None)
    now = Present({"name": "before", "_parentaccountid_value": parent}, None)
    found = reverter.standing(Original(row, Outcome(1, status)), now)
    assert (found.now if isinstance(found, Standing) else None) == expected


MADE = datetime(2026, 3, 1, 8, tzinfo=UTC)


def touched(*, after: timedelta, steps: bool, worked: timedelta, by: str = "app") -> bool:
    """Whether a row counts as edited that was modified so long after its create, by a job that ended a minute later."""
    row = PlanRow(1, Action.CREATE, guid("a"), "a", 1, None, "{}", "{}" if steps else None, None)
    judge = Judge(None, None, worked, MADE + timedelta(minutes=1), Removal(), None)  # type: ignore[arg-type]
    stands = {
        "createdon": MADE.isoformat(),
        "modifiedon": (MADE + after).isoformat(),
        "_createdby_value": "app",
        "_modifiedby_value": by,
    }
    return judge._touched(Creation(Original(row, Outcome(1, OutcomeStatus.DONE)), stands, {}))


@pytest.mark.parametrize("steps", [False, True])
def test_an_edit_after_the_job_is_seen_however_long_the_job_waited(steps: bool) -> None:
    """A plan that waited for days took days, yet what the row's own user changes a day after its end is an edit."""
    assert touched(after=timedelta(hours=30), steps=steps, worked=timedelta(days=2))
    assert touched(after=timedelta(seconds=3), steps=steps, worked=timedelta(), by="nia")
    assert not touched(after=timedelta(seconds=2), steps=steps, worked=timedelta())
    assert touched(after=timedelta(seconds=40), steps=False, worked=timedelta(days=2))
    assert not touched(after=timedelta(seconds=40), steps=True, worked=timedelta(days=2))


def test_created_rows_that_are_deactivated_together_are_no_children_of_each_other() -> None:
    """They refer to each other for good; another row's reference still counts."""
    rows = [PlanRow(n, Action.DEACTIVATE, guid(name), name, None, "{}", "{}", None) for n, name in enumerate("ab", 1)]
    pairs = (PARENT, "b", "a"), (PARENT, "c", "b"), (COMPANY, "x", "b")
    relations = FakeRelations(*pairs)
    together = Below.of(relations, TABLE, frozenset({guid("a"), guid("b"), guid("c")}))  # type: ignore[arg-type]
    assert list(together.guard(rows)) == [2]
    assert below(*pairs).guard(rows) == {}
