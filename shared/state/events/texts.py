"""Values of real time to stored text and back, exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from shared.errors import StateError
from shared.state.rows import instant_to_text
from shared.values.events import (
    Claim,
    Event,
    Hold,
    LedgerEntry,
    Operation,
    Origin,
    ParkedEvent,
    Pulse,
    RejectedEvent,
    Wish,
)
from shared.values.records import Reject, RejectType


def parked_to_text(parked: ParkedEvent) -> str:
    """One parked event as a JSON object."""
    return _text({**_whole(parked), "event": _event(parked.event)})


def parked_from_text(text: str) -> ParkedEvent:
    """The event that `parked_to_text` wrote. Raises `StateError`."""
    members = _members(text)
    try:
        members |= {"event": _event_of(members["event"]), "hold": Hold(members["hold"])}
        return ParkedEvent(**(members | {"since": datetime.fromisoformat(members["since"])}))
    except _BROKEN as error:
        raise _unreadable(error) from error


def rejected_to_text(rejected: RejectedEvent) -> str:
    """One rejected event as a JSON object."""
    event = None if rejected.event is None else _event(rejected.event)
    return _text({**_whole(rejected), "origin": _whole(rejected.origin), "event": event})


def rejected_from_text(text: str) -> RejectedEvent:
    """The event that `rejected_to_text` wrote. Raises `StateError`."""
    members = _members(text)
    try:
        reject = Reject(**{**members["reject"], "type": RejectType(members["reject"]["type"])})
        event = None if members["event"] is None else _event_of(members["event"])
        made = {"reject": reject, "event": event, "origin": _origin(members["origin"])}
        return RejectedEvent(**(members | made | {"at": datetime.fromisoformat(members["at"])}))
    except _BROKEN as error:
        raise _unreadable(error) from error


def wish_to_text(wish: Wish) -> str:
    """What is wanted of a listener as a JSON object."""
    return _text(_whole(wish))


def wish_from_text(text: str) -> Wish:
    """What `wish_to_text` wrote. Raises `StateError`."""
    members = _members(text)
    try:
        hold = None if members["hold"] is None else Hold(members["hold"])
        return Wish(**(members | {"hold": hold} | _moments(members, "since", "start_from")))
    except _BROKEN as error:
        raise _unreadable(error) from error


def pulse_to_text(pulse: Pulse) -> str:
    """What a listener has done as a JSON object."""
    return _text({**_whole(pulse), "counts": dict(pulse.counts)})


def pulse_from_text(text: str) -> Pulse:
    """What `pulse_to_text` wrote. Raises `StateError`."""
    members = _members(text)
    try:
        return Pulse(**(members | _moments(members, "last_at", "last_enqueued_at")))
    except _BROKEN as error:
        raise _unreadable(error) from error


def summed(one: Pulse, other: Pulse) -> Pulse:
    """Counts added up; of times and numbers the later one, of lag and rate the newer message's."""
    counts = {name: one.counts.get(name, 0) + other.counts.get(name, 0) for name in {**one.counts, **other.counts}}
    later = max((one, other), key=lambda pulse: pulse.last_at.timestamp() if pulse.last_at else float("-inf"))
    return replace(later, counts=counts, last_number=max(one.last_number, other.last_number))


def at_of(entry: LedgerEntry) -> str | None:
    """When a ledger entry was made, as text."""
    return instant_to_text(entry.at) if entry.at else None


def claim_of(entry: LedgerEntry) -> str | None:
    """The claim to a record, as text."""
    return None if entry.claim is None else _text(_whole(entry.claim))


def claim_from_text(text: str | None) -> Claim | None:
    """The claim that `claim_of` wrote. Raises `StateError`."""
    if not text:
        return None
    members = _members(text)
    try:
        return Claim(**(members | {"at": datetime.fromisoformat(members["at"])}))
    except _BROKEN as error:
        raise _unreadable(error) from error


_BROKEN = (ValueError, TypeError, KeyError, AttributeError)


def _whole(value: Any) -> dict[str, Any]:
    return asdict(value)


def _text(members: Mapping[str, Any]) -> str:
    return json.dumps(members, default=instant_to_text)


def _members(text: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except _BROKEN as error:
        raise _unreadable(error) from error


def _event(event: Event) -> dict[str, Any]:
    return {
        "sync": event.sync,
        "operation": event.operation.value,
        "record": dict(event.record),
        "origin": _whole(event.origin),
    }


def _event_of(members: Mapping[str, Any]) -> Event:
    return Event(members["sync"], Operation(members["operation"]), dict(members["record"]), _origin(members["origin"]))


def _origin(members: Mapping[str, Any]) -> Origin:
    return Origin(**{**members, **_moments(members, "enqueued_at")})


def _moments(members: Mapping[str, Any], *names: str) -> dict[str, datetime | None]:
    return {name: datetime.fromisoformat(members[name]) if members.get(name) else None for name in names}


def _unreadable(error: Exception) -> StateError:
    return StateError(
        f"a stored event cannot be read by this version ({type(error).__name__}); use the version that wrote it"
    )
