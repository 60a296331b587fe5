"""The order of a batch: nothing old over something new, nothing lost, and no two writes of one record in one turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shared.engine.realtime.turns import Fold, Step, turns_of
from shared.values.events import LedgerEntry


def step(row: int, key: str = "a", *, number: int | None = None, version: str = "", delete: bool = False) -> Step:
    return Step(row, LedgerEntry(key, version, row if number is None else number, 0, None, delete))


def rows(turns: list[list[Fold]]) -> list[list[list[int]]]:
    return [[[one.row_no for one in fold.steps] for fold in turn] for turn in turns]


def test_changes_of_one_record_fold_and_a_delete_parts_them() -> None:
    """Each run of the same wish is one write; the runs follow each other."""
    steps = [step(1), step(2), step(3, delete=True), step(4, delete=True), step(5), step(6, "b")]
    assert rows(turns_of(steps, {}).turns) == [[[1, 2], [6]], [[3, 4]], [[5]]]
    assert rows(turns_of(steps[:2], {}, fold=False).turns) == [[[1]], [[2]]]


def test_what_the_ledger_has_seen_is_stale() -> None:
    """The same event again, and any that was sent before it."""
    known = {"a": LedgerEntry("a", "", 5, 1)}
    found = turns_of([step(1, number=4), step(2, number=5), step(3, number=6)], known)
    assert (found.stale, rows(found.turns)) == ([1, 2], [[[3]]])
    again = turns_of([Step(1, LedgerEntry("a", "", 5, 1))], known)
    assert (again.stale, again.turns) == ([1], [])


def test_versions_decide_within_a_batch_too() -> None:
    """A version older than one before it in the batch is stale; one without a version goes by its place."""
    found = turns_of([step(1, version="3"), step(2, version="2"), step(3), step(4, version="3")], {})
    assert (found.stale, rows(found.turns)) == ([2], [[[1, 3, 4]]])


def test_a_version_stays_known_behind_an_event_without_one() -> None:
    """So what is older than it is stale, in the same batch and in a later one; the event itself, come again, too."""
    known = {"a": LedgerEntry("a", "5", 1)}
    found = turns_of([step(2), step(3, version="4"), step(4, version="6")], known)
    assert (found.stale, rows(found.turns)) == ([3], [[[2, 4]]])
    (turn,) = turns_of([step(2)], known).turns
    entry = turn[0].leader.entry
    assert entry.version == "5"
    assert turns_of([step(2)], {"a": entry}).stale == [2]


STEPS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 6), st.sampled_from(["", "1", "2"]), st.booleans()), max_size=12
)


@given(told=STEPS, known=st.none() | st.integers(0, 6))
def test_every_event_is_stale_or_in_one_fold(told: list[tuple[str, int, str, bool]], known: int | None) -> None:
    """Nothing is lost, nothing doubled; a turn has one fold of a record at most; folds keep the order of sending."""
    steps = [step(n, k, number=number, version=v, delete=d) for n, (k, number, v, d) in enumerate(told, 1)]
    ledger = {} if known is None else {"a": LedgerEntry("a", "", known)}
    found = turns_of(steps, ledger)
    folded = [one for turn in found.turns for fold in turn for one in fold.steps]
    assert sorted(found.stale + [one.row_no for one in folded]) == [one.row_no for one in steps]
    for turn in found.turns:
        keys = [fold.leader.key for fold in turn]
        assert len(keys) == len(set(keys))
        assert all(len({one.delete for one in fold.steps}) == 1 for fold in turn)
    for key in "ab":
        numbers = [one.entry.number for one in folded if one.key == key]
        assert numbers == sorted(numbers)
