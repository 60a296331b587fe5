"""Real time: events for a sync's queue, and how its listener fares."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, RootModel, Tag

from shared.errors import RequestError
from shared.formats import split
from shared.permissions import Operation
from shared.values.events import Bucket, ListenerView, ParkedEvent, RedriveResult, RejectedEvent
from shared.web.routing import Call, Reply, Route

MOST = 1000
"""Events of one call."""


Event = dict[str, Any]


def _one_or_many(body: object) -> str | None:
    return "events" if isinstance(body, list) else "event" if isinstance(body, dict) else None


class EventsForm(
    RootModel[
        Annotated[
            Annotated[list[Event], Field(min_length=1, max_length=MOST), Tag("events")]
            | Annotated[Event, Tag("event")],
            Discriminator(
                _one_or_many,
                custom_error_type="events",
                custom_error_message="the body is neither an object, one event, nor a list of objects",
            ),
        ]
    ]
):
    """One event, or a list of up to 1,000, in the format that the sync's listener takes."""


class WishForm(BaseModel):
    """Whether the listener is to be on."""

    model_config = ConfigDict(extra="forbid")

    on: bool = Field(description="true: messages are applied; false: they are parked.")


class BeginForm(BaseModel):
    """From when on messages are taken."""

    model_config = ConfigDict(extra="forbid")

    start_from: AwareDatetime | Literal["now"] | None = Field(
        description="What was sent before is skipped, and counted as skipped; null: nothing is skipped any more."
    )


Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class RedriveForm(BaseModel):
    """Which dead letters go back on the queue."""

    model_config = ConfigDict(extra="forbid")

    numbers: Annotated[list[Number], Field(min_length=1, max_length=MOST)] | None = Field(
        description="Those with these numbers; null: all of them, at most 1,000 in one call."
    )


class ReplayQuery(BaseModel):
    """Which events that were set aside."""

    model_config = ConfigDict(extra="forbid")

    number: Number | None = Field(default=None, description="Only those of the message with this number.")


class DeadLetterView(BaseModel):
    """A message that failed again and again, without its body, which holds field values."""

    number: int
    first_number: int
    sync: str | None
    message_id: str | None
    session: str | None
    sent: datetime | None
    deliveries: int
    reason: str | None
    explanation: str | None


class StrayView(BaseModel):
    """A message that names no known sync, without its body, which holds field values."""

    number: int
    sent: datetime | None
    at: datetime
    reason: str


class Sent(BaseModel):
    """How many messages the broker has."""

    sent: int


def publish(call: Call) -> Reply:
    """Send events, once all are found good."""
    try:
        documents = split(call.request.body)  # as it came: a number keeps its digits
    except ValueError as error:
        raise RequestError(f"the body cannot be read: {error}", status=400) from None
    return Reply(Sent(sent=call.hosted.app.events.publish(call.sync, documents)), 202)


def listener(call: Call) -> ListenerView:
    """How the listener fares."""
    return call.hosted.app.events.listener(call.sync)


def listeners(call: Call) -> list[ListenerView]:
    """How the listeners that the caller may see fare."""
    return call.hosted.app.events.listeners(lambda sync: call.gate.may(call.caller, Operation.SEE_LISTENER, sync))


def switch(call: Call) -> ListenerView:
    """Switch the listener."""
    return call.hosted.app.events.switch(call.sync, on=call.body.value.on)


def begin(call: Call) -> ListenerView:
    """Skip what was sent before a time, or skip nothing any more."""
    wanted = call.body.value.start_from
    moment = datetime.now(UTC) if wanted == "now" else wanted
    return call.hosted.app.events.start_from(call.sync, moment)


def dead_letters(call: Call) -> list[DeadLetterView]:
    """What failed again and again."""
    return [
        DeadLetterView(
            number=one.number,
            first_number=one.first_number,
            sync=one.subject,
            message_id=one.message_id,
            session=one.session,
            sent=one.enqueued_at,
            deliveries=one.deliveries,
            reason=one.reason,
            explanation=one.explanation,
        )
        for one in call.hosted.app.events.dead_letters()
    ]


def strays(call: Call) -> list[StrayView]:
    """What names no known sync."""
    return [
        StrayView(number=one.origin.number, sent=one.origin.enqueued_at, at=one.at, reason=one.reject.reason)
        for one in call.hosted.app.events.rejected_events("")
    ]


def redrive(call: Call) -> RedriveResult:
    """Put them back on the queue."""
    return call.hosted.app.events.redrive(call.body.value.numbers)


def parked(call: Call) -> list[ParkedEvent]:
    """Events that wait."""
    return call.hosted.app.events.parked(call.sync)


def rejected(call: Call) -> list[RejectedEvent]:
    """Events that were set aside."""
    return call.hosted.app.events.rejected_events(call.sync)


def replay(call: Call) -> dict[Bucket, int]:
    """Apply them once more."""
    return call.hosted.app.events.replay_events(call.sync, None if call.query.number is None else [call.query.number])


def release(call: Call) -> dict[Bucket, int]:
    """Let go what may go."""
    return call.hosted.app.events.release(call.sync, by=call.caller.name)


_QUEUE = (404, 502)
"""Where the queue is missing, or refuses the app's identity."""
ROUTES = [
    Route(
        method="POST", path="/api/events/{sync}", operation=Operation.PUBLISH, does=publish, gives=Sent,
        takes=EventsForm, status=202, refuses=(409, 413, 415, 503),
        summary="Send events to a sync's queue, one or a list; they are checked first, and all of them go or none.",
    ),
    Route(
        method="POST", path="/api/webhooks/{sync}", operation=Operation.PUBLISH, does=publish, gives=Sent, id="webhook",
        key=True, takes=EventsForm, status=202, refuses=(409, 413, 415, 503),
        summary="The same with a function key, for webhooks: Dataverse's own (format dataverse) and others.",
    ),
    Route(
        method="GET", path="/api/listeners", operation=Operation.LIST_SYNCS, does=listeners, gives=list[ListenerView],
        summary="How the listeners that the caller may see fare.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/listener", operation=Operation.SEE_LISTENER, does=listener,
        gives=ListenerView, summary="How the listener of a sync fares.",
    ),
    Route(
        method="PUT", path="/api/syncs/{sync}/listener", operation=Operation.SWITCH_LISTENER, does=switch,
        gives=ListenerView, takes=WishForm, refuses=(413, 415), summary="Switch the listener of a sync on or off.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/parked", operation=Operation.SEE_PARKED, does=parked,
        gives=list[ParkedEvent], summary="Events of a sync that wait, and why.",
    ),
    Route(
        method="POST", path="/api/syncs/{sync}/release", operation=Operation.RELEASE, does=release,
        gives=dict[Bucket, int], summary="Apply the events of a sync that wait and have no more reason to.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/events/rejects", operation=Operation.SEE_REJECTS, does=rejected,
        gives=list[RejectedEvent], summary="Events of a sync that were set aside, and why.",
    ),
    Route(
        method="POST", path="/api/syncs/{sync}/events/replay", operation=Operation.REPLAY, does=replay,
        gives=dict[Bucket, int], query=ReplayQuery,
        summary="Apply the events of a sync that were set aside once more; all, or those of one message.",
    ),
    Route(
        method="PUT", path="/api/syncs/{sync}/listener/start", operation=Operation.SKIP_EVENTS, does=begin,
        gives=ListenerView, takes=BeginForm, summary="Skip what was sent to a sync before a time, on purpose.",
    ),
    Route(
        method="GET", path="/api/dead-letters", operation=Operation.SEE_DEAD_LETTERS, does=dead_letters,
        gives=list[DeadLetterView], refuses=_QUEUE,
        summary="Messages that failed again and again, at most 100, without what they hold.",
    ),
    Route(
        method="GET", path="/api/stray-events", operation=Operation.SEE_DEAD_LETTERS, does=strays,
        gives=list[StrayView],
        summary="Messages that name no known sync and were set aside, at most 100, without what they hold.",
    ),
    Route(
        method="POST", path="/api/dead-letters/redrive", operation=Operation.REDRIVE, does=redrive,
        gives=RedriveResult, takes=RedriveForm, refuses=_QUEUE,
        summary="Put dead letters back on the queue; what something newer has overtaken becomes stale.",
    ),
]  # fmt: skip
