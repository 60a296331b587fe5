"""A message as a function is given it: its body, and its properties as metadata."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from local.host.messages import TypedData

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage


def body(message: ServiceBusReceivedMessage) -> TypedData:
    """The body's bytes."""
    return TypedData(bytes=b"".join(bytes(part) for part in message.body))


def metadata(message: ServiceBusReceivedMessage) -> dict[str, TypedData]:
    """What the host tells beside the body. Source: "Azure Service Bus trigger", message metadata (Microsoft Learn)."""
    properties = {_text(name): _text(value) for name, value in (message.application_properties or {}).items()}
    texts = {
        "MessageId": message.message_id,
        "SessionId": message.session_id,
        "ContentType": message.content_type,
        "CorrelationId": message.correlation_id,
        "Subject": message.subject,
        "Label": message.subject,
        "To": message.to,
        "ReplyTo": message.reply_to,
        "ReplyToSessionId": message.reply_to_session_id,
        "PartitionKey": message.partition_key,
        "LockToken": str(message.lock_token) if message.lock_token else None,
        "DeadLetterSource": message.dead_letter_source,
        "DeadLetterReason": message.dead_letter_reason,
        "DeadLetterErrorDescription": message.dead_letter_error_description,
    }
    told = {
        # The trigger counts the delivery under way; the broker's count is of those that failed.
        "DeliveryCount": (message.delivery_count or 0) + 1,
        "SequenceNumber": message.sequence_number,
        "EnqueuedSequenceNumber": message.enqueued_sequence_number,
        "EnqueuedTimeUtc": message.enqueued_time_utc,
        "ExpiresAtUtc": message.expires_at_utc,
        "LockedUntil": message.locked_until_utc,
        "ScheduledEnqueueTimeUtc": message.scheduled_enqueue_time_utc,
        "ApplicationProperties": properties,
        "UserProperties": properties,
    }
    found = {name: TypedData(string=text) for name, text in texts.items() if text is not None}
    return found | {name: _json(value) for name, value in told.items() if value is not None}


def _json(value: object) -> TypedData:
    def told(one: object) -> str:
        return one.isoformat() if isinstance(one, datetime) else str(one)

    return TypedData(json=json.dumps(value, default=told))


def _text(value: object) -> object:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
