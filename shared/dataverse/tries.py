"""What one request has been through, and whether it may be sent again: decisions only, nobody waits here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime

from shared.dataverse.auth import TokenSource
from shared.dataverse.connection import NoAnswerError, Request
from shared.dataverse.pauses import PausePolicy, repeats_allowed, retry_after_s
from shared.dataverse.reply import Reply
from shared.errors import AuthenticationError, ThrottledError, UnavailableError


class Tries:
    """One request to the service at `origin`. Each method gives the pause before the next attempt, in seconds."""

    def __init__(
        self, request: Request, origin: str, pauses: PausePolicy, jitter: Callable[[], float], *, began: datetime
    ) -> None:
        self._request, self._origin, self._pauses, self._jitter = request, origin, pauses, jitter
        self._began = began
        self._renewed: list[TokenSource] = []
        self._in_doubt = False
        self._refused = self.unanswered = 0
        self._throttled: Counter[int] = Counter()
        self._throttled_at: datetime | None = None
        self._outage_s = 0.0

    @property
    def in_doubt(self) -> bool:
        """Whether an attempt without an answer may have been carried out."""
        return self._in_doubt

    def unauthorised(self, reply: Reply, tokens: TokenSource) -> None:
        """A token of this credential was refused.

        Raises:
            AuthenticationError: and so was a fresh one.
        """
        if any(tokens is renewed for renewed in self._renewed):
            raise AuthenticationError(
                f"{self._origin} refused a fresh token ({reply.refusal}); check that the credentials belong to "
                "this environment's tenant and that the service URL is right"
            )
        self._renewed.append(tokens)

    def throttled(self, reply: Reply, now: datetime, tokens: TokenSource) -> float:
        """The service asks this credential for a pause."""
        self._throttled_at = self._throttled_at or now
        self._throttled[id(tokens)] += 1
        return self._pauses.throttled_s(self._throttled[id(tokens)], retry_after_s(reply.headers, now))

    def keep_to(self, rest_s: float, reply: Reply, now: datetime) -> None:
        """Some credential may go on in so many seconds.

        Raises:
            ThrottledError: that is more than is waited, with what was waited before.
            UnavailableError: likewise, of a request that may have been carried out before.
        """
        waited_s = (now - (self._throttled_at or now)).total_seconds()
        often = max(self._throttled.values(), default=0) > self._pauses.throttled_attempts
        if waited_s + rest_s > self._pauses.throttled_total_s or often:
            raise self._rests_too_long(rest_s, f"after {waited_s:.0f} s of pauses ({reply.refusal})")

    def may_rest(self, rest_s: float) -> None:
        """All credentials rest for so many seconds more, because of this request or another; raises as `keep_to`."""
        if rest_s > self._pauses.throttled_total_s:
            raise self._rests_too_long(rest_s, "for all credentials")

    def _rests_too_long(self, rest_s: float, why: str) -> Exception:
        message = f"{self._origin} asks for a pause of {rest_s:.0f} s {why}; lower `parallel` or run at another time"
        if self._in_doubt:
            return UnavailableError(message, maybe_done=True)
        return ThrottledError(message, retry_after_s=rest_s)

    def not_now(self, reply: Reply, now: datetime) -> float:
        """An answer that leaves open whether the request was carried out.

        Raises:
            UnavailableError: it must not be sent again, or was often enough; or a longer pause is asked for than is
                kept.
        """
        self._unanswered(sent=True)
        if not self._request.repeatable or self._is_enough(now):
            raise self._given_up(f"{self._origin} is not available ({reply.refusal})")
        named_s = retry_after_s(reply.headers, now) or 0.0
        self._outage_s += named_s
        if self._outage_s > self._pauses.throttled_total_s:
            raise self._given_up(f"{self._origin} asks for a pause of {named_s:.0f} s ({reply.refusal})")
        return max(named_s, self._backoff_s(self.unanswered))

    def no_answer(self, failure: NoAnswerError, now: datetime) -> float:
        """The connection failed; raises as `not_now` does. What was never sent may go again, unless too late."""
        self._unanswered(sent=failure.sent)
        if (self._in_doubt and not self._request.repeatable) or self._is_enough(now):
            raise self._given_up(f"no answer from {self._origin} ({failure})")
        return self._backoff_s(self.unanswered)

    def definite(self, reply: Reply) -> float | None:
        """A refusal that says for certain that nothing was done; None when it is the service's last word."""
        self._refused += 1
        if not self._request.repeatable or self._refused > repeats_allowed(reply):
            return None
        return self._backoff_s(self._refused)

    def _is_enough(self, now: datetime) -> bool:
        long = (now - self._began).total_seconds() >= self._pauses.unanswered_total_s
        return long or self.unanswered > self._pauses.attempts

    def _unanswered(self, *, sent: bool) -> None:
        self.unanswered += 1
        self._in_doubt |= sent and self._request.method != "GET"

    def _given_up(self, what: str) -> UnavailableError:
        attempts = "1 attempt" if self.unanswered == 1 else f"{self.unanswered} attempts"
        return UnavailableError(f"{what} after {attempts}", maybe_done=self._in_doubt)

    def _backoff_s(self, attempt: int) -> float:
        return self._pauses.backoff_s(attempt, self._jitter)
