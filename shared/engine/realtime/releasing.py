"""Lets parked events go, in order, when the reason for which they wait has ended."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from shared.engine.realtime.accounts import FOREVER, UNREAD, WHOLE, Account, is_skipped
from shared.engine.realtime.listening import SyncListener
from shared.engine.realtime.verdicts import BEHIND, Verdict, refused, waits
from shared.errors import AlreadyRunningError, FailError
from shared.log import event
from shared.values.events import Bucket, Event, Hold, ParkedEvent, Pulse, RejectedEvent, Wish
from shared.values.records import Reject, RejectType

_log = logging.getLogger(__name__)
PAGE = 200
"""Events looked at together; between two pages new messages have their turn."""
PATIENCE = timedelta(hours=24)
"""So long an event waits for its parent; then it is rejected."""
_LEASE_S = 600.0
_REQUEST_S = 60.0
"""So long a request may be under way: none starts later than this before the lease ends."""
LONGEST = timedelta(seconds=_LEASE_S / 2)


def release(listener: SyncListener, *, by: str, asked: bool = False, within: timedelta = LONGEST) -> Account:
    """Apply what waits, record by record in the order of sending; what still has a reason to wait stays.

    One process releases at a time: without the lease nothing is done. `asked`: a person asks, which also ends a brake.
    `within`: no page is begun after so long.
    """
    account = Account()
    wish = listener.memory.listeners.wish(listener.sync)
    seen = asked and wish.hold is Hold.BRAKED
    if not listener.is_on(wish) or (wish.hold is Hold.BRAKED and not asked):
        return account
    leases, name = listener.memory.leases, f"{listener.sync}.events"
    try:
        lease = leases.acquire(name, by, now=listener.now(), seconds=_LEASE_S)
    except AlreadyRunningError:
        return account
    try:
        _pages(listener, account, within, seen=seen)
    finally:
        leases.release(lease)
    if account.events:
        counts = account.counts()
        event(_log, "events.released", sync=listener.sync, **{str(bucket): n for bucket, n in counts.items()})
    return account


def _pages(listener: SyncListener, account: Account, within: timedelta, *, seen: bool) -> None:
    """Page by page; `seen`: a person has looked at the deletes that the brake holds back."""
    after: tuple[str, int, int] | None = None
    blocked: str | None = None
    began = listener.now()
    deadline = began + timedelta(seconds=_LEASE_S - _REQUEST_S)
    while not (account.stopped or account.hold) and listener.now() - began < within:
        page = listener.memory.park.first(listener.sync, limit=PAGE, after=after)
        if not page:
            break
        after = page[-1].place
        with listener.turn():
            part = _released(listener, [parked for parked in page if parked.key != blocked], deadline, seen=seen)
        blocked = _blocked(part, page, blocked)
        account.events += part.events
        account.rejected += part.rejected
        account.passed += part.passed
        account.stopped, account.hold = part.stopped, part.hold
    if not (account.stopped or account.hold) and listener.memory.listeners.wish(listener.sync).hold is not None:
        listener.let_go()


def _released(listener: SyncListener, page: Sequence[ParkedEvent], deadline: datetime, *, seen: bool) -> Account:
    """One page: each event is applied or skipped, or stays where it is with its present reason."""
    part = Account(since={parked.event.origin.place: parked.since for parked in page})
    wish = listener.memory.listeners.wish(listener.sync)
    try:
        events = _to_apply(listener, page, wish, part)
        part.hold = None if seen else listener.braked(events, wish)
        if part.hold is None:
            listener.apply(events, part, deadline)
        else:
            part.events += [(one, waits(*part.hold)) for one in events]
    except FailError as error:
        part.stopped = error
        return part
    part.events = [(one, _patient(listener, one, verdict, part)) for one, verdict in part.events]
    listener.keep(part)
    staying = {(listener.key(one), *one.origin.place) for one, verdict in part.events if verdict.hold is not None}
    there = {parked.place for parked in page}
    listener.memory.park.take(listener.sync, sorted(there - staying))
    _count(listener, part, len(there) - len(staying))
    return part


def _to_apply(listener: SyncListener, page: Sequence[ParkedEvent], wish: Wish, part: Account) -> list[Event]:
    """The events of a page in the order of sending, without those that are skipped on purpose.

    What could not be read before turns out to be of a record of which others may wait: then it waits among them.
    """
    read = [parked for parked in page if not is_skipped(wish, parked.event.origin.enqueued_at)]
    part.passed[Bucket.SKIPPED] += len(page) - len(read)
    unread = [one for p in read if p.key == UNREAD for one in listener.read_again(p.event, part)]
    behind = listener.waiting(unread, unread=False)
    part.events += [(one, BEHIND) for one in unread if one.origin.place in behind]
    events = [one for one in unread if one.origin.place not in behind]
    events += [one for p in read if p.key != UNREAD for one in listener.read_again(p.event, part)]
    return sorted(events, key=lambda one: one.origin.place)


def _count(listener: SyncListener, part: Account, left: int) -> None:
    """What left the park is counted where it went to."""
    counts = {str(bucket): number for bucket, number in part.counts().items() if bucket is not Bucket.PARKED}
    if left or counts:
        listener.memory.listeners.beat(listener.sync, Pulse({**counts, str(Bucket.PARKED): -left}))


def _patient(listener: SyncListener, one: Event, verdict: Verdict, part: Account) -> Verdict:
    """An event whose parent has not come for too long is rejected."""
    since = part.since.get(one.origin.place)
    if verdict.hold is not Hold.PARENT or since is None or listener.now() < since + PATIENCE:
        return verdict
    return refused(Reject(None, None, RejectType.UNRESOLVED_LINK, None, None, f"{verdict.why}; none came for a day"))


def _blocked(part: Account, page: Sequence[ParkedEvent], before: str | None) -> str | None:
    """The last record of a page, when one of its events stays: those on the next page wait behind it."""
    last = page[-1].key
    if last == UNREAD:  # what can be read at last waits by its record, if at all
        return None
    if last == before:
        return last
    held = {one.origin.place for one, verdict in part.events if verdict.hold is not None}
    return last if any(parked.key == last and parked.event.origin.place in held for parked in page) else None


def replay(listener: SyncListener, *, numbers: Collection[int] | None = None, nobody: str | None = None) -> Account:
    """Apply rejected events once more, all or those of some messages; what is refused again stays, with its new reason.

    They go behind what waits, and under the brake. `nobody` is the name under which messages stand that came for the
    sync while there was none of its name.
    """
    account = Account()
    for shelf in (listener.sync, nobody):
        if shelf is not None and account.stopped is None:
            _replay(listener, shelf, numbers, account)
    return account


def _replay(listener: SyncListener, shelf: str, numbers: Collection[int] | None, account: Account) -> None:
    store, after = listener.memory.rejected_events, None
    while account.stopped is None and (page := store.first(shelf, limit=PAGE, after=after)):
        after = page[-1].origin.place
        ours = [one for one in page if one.event and one.event.sync == listener.sync]
        chosen = [one for one in ours if numbers is None or one.origin.number in numbers]
        with listener.turn():
            part = _replayed(listener, chosen)
            again = {one.origin.place for one, verdict in part.events if verdict.reject is not None}
            again |= {one.origin.place for one in part.rejected}
            leaving = [one.origin.place for one in chosen if one.origin.place not in again or shelf != listener.sync]
            store.take(shelf, leaving)
            before = len(chosen) if shelf == listener.sync else 0  # nobody's are not counted
            listener.memory.listeners.beat(listener.sync, Pulse(_moved(part, before)))
        account.events += part.events
        account.rejected += part.rejected
        account.passed += part.passed
        account.stopped = part.stopped


def _moved(part: Account, before: int) -> dict[str, int]:
    """How the counts change; so many of these events were counted as rejected before."""
    counts = part.counts()
    counts[Bucket.REJECTED] -= before
    return {str(bucket): number for bucket, number in counts.items()}


def _replayed(listener: SyncListener, chosen: Sequence[RejectedEvent]) -> Account:
    part = Account()
    events = [one for rejected in chosen for one in _told_again(listener, rejected, part)]
    listener.decide(events, listener.memory.listeners.wish(listener.sync), part, FOREVER)
    listener.keep(part)
    return part


def _told_again(listener: SyncListener, rejected: RejectedEvent, part: Account) -> list[Event]:
    """The events of one that was set aside: of a message that could not be read at all, all that it holds."""
    if rejected.event is None or WHOLE not in rejected.event.record:
        return [rejected.event] if rejected.event else []
    apart, place = Account(), rejected.origin.place
    events = listener.read_again(replace(rejected.event, origin=replace(rejected.origin, part=0)), apart)
    if rejected.reject.row is None:
        part.rejected += apart.rejected
        part.passed += apart.passed
        return events
    again = [one for one in apart.rejected if one.origin.place == place]
    own = [one for one in events if one.origin.place == place]
    part.rejected += again
    part.passed[Bucket.SKIPPED] += not (again or own)
    return own
