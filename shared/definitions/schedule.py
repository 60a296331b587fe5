"""When a batch sync starts by itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from shared.definitions.part import Part, TimeZone

_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec sun mon tue wed thu fri sat"
_FIELD = re.compile(rf"(?:[0-9*/,\-?#]|l|{_NAMES.replace(' ', '|')}){{1,60}}", re.IGNORECASE)
"""No other letters: the library takes R and H for random and hashed times."""
_REFERENCE = datetime(2024, 1, 1, tzinfo=UTC)


def check_cron(text: str) -> str:
    """The expression, when it has five or six fields (seconds first) and fires at some time.

    Raises:
        ValueError: it does not.
    """
    fields = text.split()
    if len(fields) not in (5, 6) or not all(_FIELD.fullmatch(field) for field in fields):
        raise ValueError(
            "is not a cron expression of five fields (minute hour day month weekday) or six (seconds first); "
            "write for example 0 */15 * * * *"
        )
    from croniter import CroniterBadDateError, CroniterError, croniter  # only here: it takes a twentieth of a start

    try:
        croniter(text, _REFERENCE, second_at_beginning=True).get_next(datetime)
    except CroniterBadDateError:
        raise ValueError("is a cron expression that never comes due; write a date that exists") from None
    except (CroniterError, ValueError, KeyError, TypeError):
        raise ValueError("is not a cron expression that can be read; write for example 0 */15 * * * *") from None
    return text


class Schedule(Part):
    """When the sync is due."""

    cron: Annotated[str, StringConstraints(strict=True, max_length=200), AfterValidator(check_cron)] = Field(
        description="Cron expression of five fields (minute first), or six (seconds first)."
    )
    time_zone: TimeZone = Field(default="UTC", description="IANA time zone in which the expression is meant.")
