"""NCRONTAB expressions, as timer triggers have them: six fields, seconds first; a day has to fit both day fields.

Source: Microsoft Learn, "Timer trigger for Azure Functions", NCRONTAB expressions (2025). Time is UTC: a time-zone
setting is not supported on the plans that Dynamics Sync is deployed to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from croniter import CroniterError, croniter

from local.host.refusals import HostError

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec sun mon tue wed thu fri sat"
_FIELD = re.compile(rf"(?:[0-9*/,\-]|{_NAMES.replace(' ', '|')})+", re.IGNORECASE)
_REFERENCE = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ncrontab:
    """One expression."""

    text: str

    @classmethod
    def read(cls, text: str) -> Ncrontab:
        """Check an expression. Raises `HostError`."""
        fields = text.split()
        if len(fields) not in (5, 6) or not all(_FIELD.fullmatch(field) for field in fields):
            raise HostError(
                f"schedule {text!r} is no NCRONTAB expression; it has six fields "
                "(second minute hour day month weekday), for example 0 */5 * * * *"
            )
        try:
            cls(text).after(_REFERENCE)
        except (CroniterError, ValueError, KeyError, TypeError) as error:
            raise HostError(f"schedule {text!r} never comes due or cannot be read: {error}") from None
        return cls(text)

    def after(self, when: datetime) -> datetime:
        """The first time behind `when` at which it is due."""
        found: datetime = croniter(self.text, when, second_at_beginning=True, day_or=False).get_next(datetime)
        return found

    @property
    def under_a_minute(self) -> bool:
        """Whether it may be due twice within a minute: such a timer is not monitored."""
        first = self.after(_REFERENCE)
        return self.after(first) - first < timedelta(minutes=1)
