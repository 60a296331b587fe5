"""Nudges on the queue `sync-jobs`: a message says that a job may be worked on; the job's row is the truth."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from shared.errors import FailError, RetryError
from shared.log import event
from shared.values.jobs import Job
from shared.values.messages import OutgoingMessage

if TYPE_CHECKING:
    from shared.bus import ServiceBus

_log = logging.getLogger(__name__)
QUEUE = "sync-jobs"
AGAIN_S = 300
"""A job that lies is nudged once in this time, by however many machines: the queue drops what has the same id."""
PAUSE = timedelta(seconds=1)
"""Between two slices of one job, so that what a slice has stored is there for the next."""


@dataclass(frozen=True, slots=True)
class Nudge:
    """What a message says: the job, which slice of it this asks for, and how often it was asked for."""

    job: str
    slice: int = 1
    attempt: int = 1

    def to_json(self) -> bytes:
        """As it is sent."""
        return json.dumps({"job": self.job, "slice": self.slice, "attempt": self.attempt}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """As it was sent. Raises `ValueError` for anything else."""
        try:
            told = json.loads(text)
            return cls(str(told["job"]), int(told.get("slice", 1)), int(told.get("attempt", 1)))
        except (KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise ValueError(str(error)) from None


class Nudges:
    """Sends nudges. The bus is opened at the first one, for that is dear; without a bus nothing is sent."""

    def __init__(self, connect: Callable[[], ServiceBus] | None, clock: Callable[[], datetime]) -> None:
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._bus: ServiceBus | None = None

    @property
    def bus(self) -> ServiceBus | None:
        """The queues; None when no setting names a bus."""
        with self._lock:
            if self._bus is None and self._connect is not None:
                self._bus = self._connect()
            return self._bus

    def send(self, nudge: Nudge, *, later: bool = False, message_id: str | None = None) -> bool:
        """Send one, with a fresh id unless one is given; says whether the broker has it.

        Without it the timer nudges again.
        """
        due = self._clock() + PAUSE if later else None
        named = message_id or str(uuid.uuid4())
        message = OutgoingMessage(body=nudge.to_json(), message_id=named, subject="job", due=due)
        try:
            bus = self.bus
            if bus is None:
                return False
            bus.send(QUEUE, [message])
        except (FailError, RetryError) as error:
            event(_log, "nudge.lost", level=logging.WARNING, job=nudge.job, error=type(error).__name__)
            return False
        return True

    def again(self, job: Job) -> bool:
        """The nudge for a job that lies; every machine that finds it lying sends the same one."""
        number = (job.slices.begun if job.slices else 0) + 1
        attempt = int(self._clock().timestamp()) // AGAIN_S
        return self.send(Nudge(job.id, number, attempt), message_id=f"{job.id}-{number}-{attempt}")

    def first(self, job: Job) -> bool:
        """The nudge for a job's next slice."""
        return self.send(Nudge(job.id, (job.slices.begun if job.slices else 0) + 1))
