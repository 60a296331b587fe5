"""What one row's refusal means for it. Decisions only; nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.dataverse.error_dictionary import Reaction, explain_refusal, in_plain_words, reaction_to
from shared.dataverse.pauses import UNAVAILABLE
from shared.dataverse.payloads import ids_in, picked
from shared.dataverse.refusals import Refusal
from shared.dataverse.writing.run import ID_TAKEN, Run
from shared.errors import DestinationError, UnavailableError
from shared.values.changes import WriteKind
from shared.values.tables import Table

WHOLE_TABLE_ROWS = 10
"""So many rows, all refused with one code that can mean the whole table, end the job."""

_PASSING = frozenset({Reaction.RETRY, Reaction.RENEW, Reaction.SHRINK})


def is_repeatable(run: Run, positions: Sequence[int]) -> bool:
    """Whether sending these writes twice does no harm: deletes, and updates that ignore the row's version."""
    if run.kind is WriteKind.UPDATE:
        return not run.has_etag(positions)
    return run.kind is WriteKind.DELETE


def settle(run: Run, position: int, refusal: Refusal) -> bool:
    """Give one refused row its outcome; True when it is to be sent again.

    A create that is to be looked up gets none here.

    Raises:
        DestinationError: the refusal concerns the whole table or identity.
    """
    reaction = reaction_to(refusal)
    if reaction is Reaction.FAIL:
        raise ended(refusal)
    if _is_unclear(refusal):
        run.in_doubt.add(position)
        return True
    if refusal.status == 429 or reaction in _PASSING:
        return True
    if is_looked_up(run, position, refusal):
        return False
    if _is_gone(run, position, refusal):
        run.done([position])
    elif reaction is Reaction.CONFLICT:
        _note_conflict(run, position, refusal)
    else:
        run.rejected(position, refusal)
    return False


def end_when_all(positions: Sequence[int], refusals: Mapping[int, Refusal]) -> None:
    """When every row is refused for one reason that can concern the whole table, it does.

    Raises:
        DestinationError: it does.
    """
    codes = {(refusal.status, refusal.code) for refusal in refusals.values()}
    if len(refusals) < max(len(positions), WHOLE_TABLE_ROWS) or len(codes) > 1:
        return
    if all(reaction_to(refusal) is Reaction.FAIL_WHEN_ALL for refusal in refusals.values()):
        raise ended(refusals[positions[0]])


def is_looked_up(run: Run, position: int, refusal: Refusal) -> bool:
    """Whether a refused create is looked up by its id: it, or another unique value, exists; or an earlier attempt may
    have made the row that now stands in the way, whatever index or rule says so."""
    if run.kind is not WriteKind.CREATE:
        return False
    entry = explain_refusal(refusal)
    return position in run.in_doubt or (entry is not None and entry.name == "DuplicateRecord")


def note_taken(run: Run, position: int, refusal: Refusal, present: set[str] | None) -> None:
    """A refused create, after the look: there, it is ours when it was in doubt, somebody else's when not."""
    if present is None:
        run.doubtful(position, refusal)
    elif run.writes[position].row_id not in present:
        run.rejected(position, refusal)
    elif position in run.in_doubt:
        run.found([position])
    else:
        run.rejected(position, refusal, ID_TAKEN)


def give_up(run: Run, position: int, refusal: Refusal) -> None:
    """A row that met something passing once too often.

    Raises:
        UnavailableError: it was throttled all the time; nothing is wrong with the row.
    """
    if position in run.in_doubt:
        run.doubtful(position, refusal)
    elif refusal.status == 429:
        raise UnavailableError(f"the service throttles single rows for too long: {refusal}")
    else:
        run.rejected(position, refusal)


def ended(refusal: Refusal) -> DestinationError:
    """The error that ends the job."""
    return DestinationError(in_plain_words(refusal), code=refusal.code, request_id=refusal.request_id)


def named_rows(run: Run, positions: Sequence[int], refusal: Refusal) -> list[int]:
    """Rows that a refusal names by an id: their own, or one that they point at. A hint, and none when it fits most."""
    ids = ids_in(refusal.message)
    row_ids, bodies = picked(run.columns.row_ids, positions), picked(run.columns.bodies, positions)
    found = [
        position
        for position, row_id, body in zip(positions, row_ids, bodies, strict=True)
        if row_id in ids or any(one in body for one in ids)
    ]
    return found if 2 * len(found) < len(positions) else []


def ids_not_kept(table: Table, request_id: str | None) -> DestinationError:
    """The error for a table that creates rows under other ids than were sent: nothing that is known of them is true."""
    return DestinationError(
        f"the table {table.name!r} does not keep the ids that rows are created with; it cannot be a destination of "
        "creates",
        request_id=request_id,
    )


def _is_gone(run: Run, position: int, refusal: Refusal) -> bool:
    """Whether a delete found nothing. What names another row was said by custom logic, and the row is still there."""
    if run.kind is not WriteKind.DELETE or refusal.status != 404:
        return False
    named = ids_in(refusal.message)
    return not named or run.writes[position].row_id in named


def _is_unclear(refusal: Refusal) -> bool:
    """Whether a refusal leaves open if the row was written."""
    return refusal.status in UNAVAILABLE or (refusal.status >= 500 and refusal.code is None)


def _note_conflict(run: Run, position: int, refusal: Refusal) -> None:
    """An update that had no answer the first time may have changed the row's version itself."""
    if position in run.in_doubt and run.kind is WriteKind.UPDATE:
        run.doubtful(position, refusal)
    else:
        run.conflict(position, refusal)
