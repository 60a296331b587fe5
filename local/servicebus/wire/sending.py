"""A delivery came whole: messages for a queue, a token, or a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.servicebus.codec import CodecError, Described
from local.servicebus.message import Message
from local.servicebus.refusals import BusRefusal, invalid
from local.servicebus.wire import management
from local.servicebus.wire.frames import BATCH_FORMAT, Outcome, outcome, rejected
from local.servicebus.wire.link import Delivery, Sender

if TYPE_CHECKING:
    from local.servicebus.wire.session import WireSession

_ACCEPTED = outcome(Outcome.ACCEPTED)


def take(session: WireSession, link: Sender, delivery: Delivery) -> Described:
    """Acts on a delivery; its outcome."""
    try:
        delivery.check_size(link.most_bytes)
        if link.queue is not None and not link.path.lower().endswith("$management"):
            _put(session, link, delivery)
        else:
            _answer(session, link, delivery)
    except BusRefusal as refusal:
        return rejected(refusal)
    except CodecError as error:
        return rejected(invalid(str(error)))
    return _ACCEPTED


def _put(session: WireSession, link: Sender, delivery: Delivery) -> None:
    queue = link.queue
    if queue is None:
        return
    session.connection.meet("send", queue.name)
    raws = Message(delivery.raw).parts() if delivery.form == BATCH_FORMAT else [delivery.raw]
    queue.put([Message(raw) for raw in raws], session.now_ms, size=delivery.size)
    session.connection.meet("sent", queue.name)


def _answer(session: WireSession, link: Sender, delivery: Delivery) -> None:
    request = Message(delivery.raw)
    if link.queue is None:
        told = management.put_token(session, request)
    else:
        session.connection.meet("manage", link.queue.name)
        told = management.answer(session, link.queue, request)
        session.connection.meet("managed", link.queue.name)
    back = session.answers(link)
    if back is not None:
        back.answer(told)
