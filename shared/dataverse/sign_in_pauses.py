"""How long to wait for a sign-in service, and when to give up; every wait is told in the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from shared import log
from shared.dataverse.pauses import PausePolicy
from shared.errors import ThrottledError, UnavailableError

_logger = logging.getLogger(__name__)
_ATTEMPTS = 4


@dataclass(slots=True)
class SignInPauses:
    """What one question to a sign-in service has been through: how long to wait, and when to give up."""

    where: str
    began: datetime
    pauses: PausePolicy = field(default_factory=PausePolicy)
    failed: int = 0
    asked: int = 0
    asked_s: float = 0.0

    def asked_to_wait(self, status: int, named_s: float | None) -> float:
        """The pause that the service asked for, in seconds, within the bounds that data requests have.

        Raises:
            ThrottledError: it asks for more than these bounds allow.
        """
        self.asked += 1
        pause_s = self.pauses.throttled_s(self.asked, named_s)
        if self.asked_s + pause_s > self.pauses.throttled_total_s or self.asked > self.pauses.throttled_attempts:
            raise ThrottledError(
                f"the sign-in service {self.where} asks to wait {pause_s:.0f} s more (status {status}) after "
                f"{self.asked_s:.0f} s of pauses; run again later",
                retry_after_s=pause_s,
            )
        self.asked_s += pause_s
        log.event(
            _logger,
            "service.throttled",
            level=logging.WARNING,
            service=self.where,
            status=status,
            pause_s=round(pause_s, 1),
        )
        return pause_s

    def unanswered(self, status: int | None, now: datetime, failure: str = "") -> float:
        """The pause after no answer (`failure` says why), or after one (`status`) that names no pause, in seconds.

        Raises:
            UnavailableError: that was the last attempt.
        """
        self.failed += 1
        long = (now - self.began).total_seconds() >= self.pauses.unanswered_total_s
        if self.failed >= _ATTEMPTS or long:
            attempts = "1 attempt" if self.failed == 1 else f"{self.failed} attempts"
            raise UnavailableError(
                f"no answer from {self.where} after {attempts}{f' ({failure})' if failure else ''}; "
                "check the address, the network and its status"
                if status is None
                else f"the sign-in service {self.where} is not available (status {status}) after {attempts}; "
                "check its status and run again later"
            )
        pause_s = 2.0**self.failed
        log.event(
            _logger,
            "service.unanswered",
            level=logging.WARNING,
            service=self.where,
            status=status,
            attempt=self.failed,
            pause_s=pause_s,
        )
        return pause_s
