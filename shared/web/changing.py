"""Changes of definitions, for the API and the page alike: who may, and on what they set out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import DefinitionError, NotAllowedError, NotFoundError, RefuseError
from shared.log import event
from shared.permissions import Caller, Operation
from shared.state.definitions import refuse_stale
from shared.values.definitions import Draft
from shared.values.revisions import Revision
from shared.web.gate import Gate
from shared.web.routing import Call

_log = logging.getLogger(__name__)
TOLD = 10
"""Guarded settings that a refusal names."""


def asked(draft: Draft) -> Operation:
    """What saving the draft is, and so which right it takes."""
    if draft.creates:
        return Operation.CREATE_SYNC
    if draft.takes_away:
        return Operation.TAKE_SYNC_AWAY
    return Operation.CHANGE_GUARDED if draft.guarded else Operation.CHANGE_DEFINITION


def required(gate: Gate, caller: Caller, draft: Draft) -> None:
    """Let the caller save the draft; nothing of what is wrong with it is told before.

    Raises:
        NotSignedInError, NotAllowedError: they may not; names the guarded settings that the draft changes.
        NotFoundError: they may not know of the sync, or of one that its jobs would start.
    """
    operation = asked(draft)
    gate.require(caller, Operation.CHANGE_DEFINITION, draft.sync)
    try:
        gate.require(caller, operation, draft.sync)
    except NotAllowedError as refusal:
        if operation is not Operation.CHANGE_GUARDED:
            raise
        more = len(draft.guarded) - TOLD
        paths = ", ".join(draft.guarded[:TOLD]) + (f" and {more:,} more" if more > 0 else "")
        raise NotAllowedError(f"{refusal.found} ({paths})", remedy=refusal.remedy) from None
    for name in draft.starts:  # its jobs will start them, whoever may start its own
        gate.require(caller, Operation.RUN, name)


def saved(call: Call, sync: str, text: str | None, *, expected: int, note: str = "") -> Revision:
    """The revision that the text became, or (None) the drop, for a caller who has read revision `expected` (0: none).

    Raises:
        StaleDefinitionError: somebody else changed it since; says who and when.
        NotAllowedError, NotFoundError: as `required`.
        DefinitionError: the text has errors; all of them.
        RefuseError: as `DefinitionDesk.save`.
    """
    desk = call.hosted.app.definitions
    with _noting(call.caller, sync):
        # before the guard looks: what it compares with is this revision then, for `save` looks at the number once more
        refuse_stale(Revision(sync, expected + 1, call.caller.name, call.gate.clock()), newest(call, sync))
        required(call.gate, call.caller, desk.draft(sync, text))
        return desk.save(sync, text, expected=expected, by=call.caller.name, note=note)


def newest(call: Call, sync: str) -> Revision | None:
    """The newest revision of a sync's definition; None: nobody ever edited it, or there is no such sync."""
    try:
        return next(iter(call.hosted.app.definitions.revisions(sync, limit=1)), None)
    except NotFoundError:
        return None


@contextmanager
def _noting(caller: Caller, sync: str) -> Iterator[None]:
    """Log what is refused for another reason than a missing right, which the gate logs; nothing of the text."""
    try:
        yield
    except (NotAllowedError, NotFoundError):
        raise
    except (RefuseError, DefinitionError) as error:
        why = type(error).__name__.removesuffix("Error")
        event(_log, "definition.refused", level=logging.WARNING, sync=sync, caller=caller.id or None, why=why)
        raise
