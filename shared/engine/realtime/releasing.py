"""Lets parked events go, in order, when the reason for which they wait has ended."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta

from shared.engine.realtime.accounts import Account
from shared.engine.realtime.listening import SyncListener
from shared.engine.realtime.verdicts import Verdict, refused
from shared.errors import AlreadyRunningError, FailError
from shared.log import event
from shared.values.events import Bucket, Event, Hold, ParkedEvent, Pulse
from shared.values.records import Reject, RejectType

_log = logging.getLogger(__name__)
PAGE = 200
"""Events looked at together; between two pages new messages have their turn."""
PATIENCE = timedelta(hours=24)
"""So long an event waits for its parent; then it is rejected."""
_LEASE_S = 600.0
LONGEST = timedelta(seconds=_LEASE_S / 2)


def release(listener: SyncListener, *, by: str, asked: bool = False, within: timedelta = LONGEST) -> Account:
    """Apply what waits, record by record in the order of sending; what still has a reason to wait stays.

    One process releases at a time: without the lease nothing is done. `asked`: a person asks, which also ends a brake.
    `within`: no page is begun after so long.
    """
    account = Account()
    wish = listener.memory.listeners.wish(listener.sync)
    if not listener.is_on(wish) or (wish.hold is Hold.BRAKED and not asked):
        return account
    leases, name = listener.memory.leases, f"{listener.sync}.events"
    try:
        lease = leases.acquire(name, by, now=listener.now(), seconds=_LEASE_S)
    except AlreadyRunningError:
        return account
    try:
        _pages(listener, account, within)
    finally:
        leases.release(lease)
    if account.events:
        counts = account.counts()
        event(_log, "events.released", sync=listener.sync, **{str(bucket): n for bucket, n in counts.items()})
    return account


def _pages(listener: SyncListener, account: Account, within: timedelta) -> None:
    after: tuple[str, int, int] | None = None
    blocked: str | None = None
    began = listener.now()
    while account.stopped is None and listener.now() - began < within:
        page = listener.memory.park.first(listener.sync, limit=PAGE, after=after)
        if not page:
            break
        after = page[-1].place
        with listener.lock:
            part = _released(listener, [parked for parked in page if parked.key != blocked])
        blocked = _blocked(part, page)
        account.events += part.events
        account.rejected += part.rejected
        account.passed += part.passed
        account.stopped = part.stopped
    if account.stopped is None and listener.memory.listeners.wish(listener.sync).hold is not None:
        listener.let_go()


def _released(listener: SyncListener, page: Sequence[ParkedEvent]) -> Account:
    """One page: each event is applied, or stays where it is with its present reason."""
    part = Account(since={parked.event.origin.place: parked.since for parked in page})
    try:
        events = [one for parked in page for one in listener.read_again(parked.event, part)]
        listener.apply(events, part)
    except FailError as error:
        part.stopped = error
        return part
    part.events = [(one, _patient(listener, one, verdict, part)) for one, verdict in part.events]
    listener.keep(part)
    staying = {(listener.key(one), *one.origin.place) for one, verdict in part.events if verdict.hold is not None}
    leaving = [parked.place for parked in page if parked.place not in staying]
    listener.memory.park.take(listener.sync, leaving)
    _count(listener, part, len(leaving))
    return part


def _count(listener: SyncListener, part: Account, left: int) -> None:
    """What left the park is counted where it went to."""
    counts = {str(bucket): number for bucket, number in part.counts().items() if bucket is not Bucket.PARKED}
    if left:
        listener.memory.listeners.beat(listener.sync, Pulse({**counts, str(Bucket.PARKED): -left}))


def _patient(listener: SyncListener, one: Event, verdict: Verdict, part: Account) -> Verdict:
    """An event whose parent has not come for too long is rejected."""
    since = part.since.get(one.origin.place)
    if verdict.hold is not Hold.PARENT or since is None or listener.now() < since + PATIENCE:
        return verdict
    return refused(Reject(None, None, RejectType.UNRESOLVED_LINK, None, None, f"{verdict.why}; none came for a day"))


def _blocked(part: Account, page: Sequence[ParkedEvent]) -> str | None:
    """The last record of a page, when one of its events stays: those on the next page wait behind it."""
    last = page[-1].key
    held = {one.origin.place for one, verdict in part.events if verdict.hold is not None}
    return last if any(parked.key == last and parked.event.origin.place in held for parked in page) else None


def replay(listener: SyncListener, *, numbers: Collection[int] | None = None) -> Account:
    """Apply rejected events once more, all or those of some messages; what is refused again stays, with its new reason.

    The ledger decides as ever: an event that something newer has overtaken is stale, and done with.
    """
    account = Account()
    store, after = listener.memory.rejected_events, None
    while page := store.first(listener.sync, limit=PAGE, after=after):
        after = page[-1].origin.place
        chosen = [one for one in page if one.event and (numbers is None or one.origin.number in numbers)]
        with listener.lock:
            part = Account()
            listener.apply([one.event for one in chosen if one.event], part)
            listener.keep(part)
            again = {one.origin.place for one, verdict in part.events if verdict.reject is not None}
            leaving = [one.origin.place for one in chosen if one.origin.place not in again]
            store.take(listener.sync, leaving)
            counts = {str(bucket): n for bucket, n in part.counts().items() if bucket is not Bucket.REJECTED}
            listener.memory.listeners.beat(listener.sync, Pulse({**counts, str(Bucket.REJECTED): -len(leaving)}))
        account.events += part.events
        if part.stopped is not None:
            account.stopped = part.stopped
            break
    return account
