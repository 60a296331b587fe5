"""What the broker refuses, in the service's own words.

Source: "AMQP errors in Azure Service Bus" and "Service Bus messaging exceptions" (Microsoft Learn, 2025).
"""

from __future__ import annotations


class BusRefusal(Exception):  # noqa: N818 — a refusal is an answer, named as such
    """A refusal: the AMQP condition, a sentence, and the status of a management answer."""

    def __init__(self, condition: str, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.condition = condition
        self.text = text
        self.status = status


class Cut(Exception):  # noqa: N818 — not an error: the end of a connection, on order or agreed
    """The connection is over; nothing more on it is acted on."""


class DocumentError(ValueError):
    """A file of settings is not as described; the message names the place and what is wrong."""


def lock_lost() -> BusRefusal:
    """The lock of a message is gone."""
    return BusRefusal(
        "com.microsoft:message-lock-lost",
        "The lock supplied is invalid. Either the lock expired, or the message was already removed from the queue.",
        410,
    )


def session_lost() -> BusRefusal:
    """The lock of a session is gone."""
    return BusRefusal(
        "com.microsoft:session-lock-lost", "The session lock has expired on the session. Accept a new session.", 410
    )


def session_taken(name: str) -> BusRefusal:
    """Another receiver holds the session."""
    return BusRefusal(
        "com.microsoft:session-cannot-be-locked",
        f"The requested session '{name}' cannot be accepted. It may be locked by another receiver.",
        409,
    )


def no_session_in_time() -> BusRefusal:
    """Nobody freed a session that has messages."""
    return BusRefusal("com.microsoft:timeout", "The operation did not complete within the allotted time.", 408)


def no_entity(path: str) -> BusRefusal:
    """There is no such queue."""
    return BusRefusal("amqp:not-found", f"The messaging entity '{path}' could not be found.", 404)


def no_message(number: int, state: str) -> BusRefusal:
    """No message with this sequence number is in this state."""
    return BusRefusal(
        "com.microsoft:message-not-found", f"Failed to find a {state} message with sequence number {number}.", 404
    )


def not_allowed(text: str) -> BusRefusal:
    """The queue is not made for this."""
    return BusRefusal("amqp:not-allowed", text)


def too_large(size: int, most: int) -> BusRefusal:
    """A message or a batch is over the queue's size."""
    return BusRefusal(
        "amqp:link:message-size-exceeded", f"The message is {size} bytes; the queue takes at most {most}.", 413
    )


def invalid(text: str) -> BusRefusal:
    """A request or a message that cannot be read."""
    return BusRefusal("amqp:decode-error", text)


def unauthorized(text: str) -> BusRefusal:
    """No token, or a wrong one."""
    return BusRefusal("amqp:unauthorized-access", text, 401)


def busy() -> BusRefusal:
    """The service wants to be left alone for a while."""
    return BusRefusal("com.microsoft:server-busy", "The request was terminated because the server is busy.", 503)
