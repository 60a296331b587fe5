"""What one request has been through, and whether it may be sent again: decisions only, nobody waits here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared.dataverse.connection import NoAnswerError, Request
from shared.dataverse.pauses import PausePolicy, repeats_allowed, retry_after_s
from shared.dataverse.reply import Reply
from shared.errors import AuthenticationError, ThrottledError, UnavailableError


class Tries:
    """One request to the service at `origin`. Each method gives the pause before the next attempt, in seconds."""

    def __init__(self, request: Request, origin: str, pauses: PausePolicy, jitter: Callable[[], float]) -> None:
        self._request, self._origin, self._pauses, self._jitter = request, origin, pauses, jitter
        self._renewed = False
        self._in_doubt = False
        self._refused = self._throttled = 0
        self._throttled_s = 0.0
        self.unanswered = 0

    def unauthorised(self, reply: Reply) -> None:
        """The token was refused.

        Raises:
            AuthenticationError: and so was a fresh one.
        """
        if self._renewed:
            raise AuthenticationError(
                f"{self._origin} refused a fresh token ({reply.refusal}); check that the credentials belong to "
                "this environment's tenant and that the service URL is right"
            )
        self._renewed = True

    def throttled(self, reply: Reply, now: datetime) -> float:
        """The service asks for a pause.

        Raises:
            ThrottledError: for more than is kept.
            UnavailableError: likewise, of a request that may have been carried out before.
        """
        self._throttled += 1
        pause_s = self._pauses.throttled_s(self._throttled, retry_after_s(reply.headers, now))
        spent_s = self._throttled_s + pause_s
        if spent_s > self._pauses.throttled_total_s or self._throttled > self._pauses.throttled_attempts:
            message = (
                f"{self._origin} asks for a pause of {pause_s:.0f} s after {self._throttled_s:.0f} s of pauses "
                f"({reply.refusal}); lower `parallel` or run at another time"
            )
            if self._in_doubt:
                raise UnavailableError(message, maybe_done=True)
            raise ThrottledError(message, retry_after_s=pause_s)
        self._throttled_s = spent_s
        return pause_s

    def not_now(self, reply: Reply, now: datetime) -> float:
        """An answer that leaves open whether the request was carried out.

        Raises:
            UnavailableError: it must not be sent again, or was often enough.
        """
        self._unanswered(sent=True)
        if not self._request.repeatable or self.unanswered > self._pauses.attempts:
            raise self._given_up(f"{self._origin} is not available ({reply.refusal})")
        named_s = retry_after_s(reply.headers, now) or 0.0
        return max(min(named_s, self._pauses.longest_s), self._backoff_s(self.unanswered))

    def no_answer(self, failure: NoAnswerError) -> float:
        """The connection failed; raises as `not_now` does. What was never sent may go again in any case."""
        self._unanswered(sent=failure.sent)
        if (self._in_doubt and not self._request.repeatable) or self.unanswered > self._pauses.attempts:
            raise self._given_up(f"no answer from {self._origin} ({failure})")
        return self._backoff_s(self.unanswered)

    def definite(self, reply: Reply) -> float | None:
        """A refusal that says for certain that nothing was done; None when it is the service's last word."""
        self._refused += 1
        if not self._request.repeatable or self._refused > repeats_allowed(reply):
            return None
        return self._backoff_s(self._refused)

    def _unanswered(self, *, sent: bool) -> None:
        self.unanswered += 1
        self._in_doubt |= sent and self._request.method != "GET"

    def _given_up(self, what: str) -> UnavailableError:
        return UnavailableError(f"{what} after {self.unanswered} attempt(s)", maybe_done=self._in_doubt)

    def _backoff_s(self, attempt: int) -> float:
        return self._pauses.backoff_s(attempt, self._jitter)
