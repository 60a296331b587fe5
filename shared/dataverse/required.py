"""What a refusal raises where it ends what was going on."""

from __future__ import annotations

from shared.dataverse.error_dictionary import Reaction, in_plain_words, reaction_to
from shared.dataverse.pauses import UNAVAILABLE
from shared.dataverse.reply import Reply
from shared.errors import AuthenticationError, DestinationError, FailError, RetryError, UnavailableError

_NO_USER = frozenset({"0x80072560", "0x80040225"})
"""The application is no user of the environment, or a disabled one."""


def required(reply: Reply) -> Reply:
    """The reply, when the service did what was asked.

    Raises:
        DestinationError: it refused; in plain words, with code and request id.
        AuthenticationError: the identity may not use the environment.
    """
    if not reply.refused:
        return reply
    raise refused(reply)


def refused(reply: Reply) -> FailError | RetryError:
    """The error for a refusal that ends what was going on."""
    refusal = reply.refusal
    if reaction_to(refusal) is Reaction.RETRY or reply.status in UNAVAILABLE:
        return UnavailableError(in_plain_words(refusal))
    if refusal.code in _NO_USER:
        return AuthenticationError(in_plain_words(refusal))
    return DestinationError(in_plain_words(refusal), code=refusal.code, request_id=refusal.request_id)
