"""What the editor shows: a text, whose it is, and what was found out about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from shared.definitions.differences import Difference
from shared.definitions.guided import Guide
from shared.definitions.schedule import Schedule
from shared.engine.schedule import Timetable
from shared.errors import DynsyncError, NotFoundError
from shared.permissions import Operation
from shared.values.definitions import DefinitionView, Draft
from shared.values.problems import Problem
from shared.web.call import Answer
from shared.web.pages.rendering import page, refused
from shared.web.preconditions import number_of
from shared.web.routing import Call

NEXT_TIMES = 3
MOST_ROWS = 1_500
"""Rows of a difference on one page."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A difference, and what its two sides are called."""

    old: str
    new: str
    found: Difference


@dataclass(frozen=True, slots=True)
class Sheet:
    """One text in the editor. `view` is what is there now, None of a new sync; `expected` the revision it set out from.

    `problems` is None while nobody has checked the text. `barred` says why the caller may not save it.
    """

    sync: str
    text: str
    view: DefinitionView | None
    expected: int = 0
    note: str = ""
    draft: Draft | None = None
    problems: tuple[Problem, ...] | None = None
    looked: bool = False
    barred: str = ""
    stale: bool = False
    compared: Compared | None = None
    guide: Guide | None = None
    following: tuple[datetime, ...] = ()
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def action(self) -> str:
        """Where the editor's form goes."""
        return "/new" if self.view is None else f"/syncs/{self.sync}/definition"

    @property
    def errors(self) -> int:
        """Errors: of the text alone, which keep it from being saved; after a closer look, of source and Dataverse."""
        return sum(problem.severity.value == "error" for problem in self.problems or ())


def view_of(call: Call, sync: str) -> DefinitionView | None:
    """What is there now; None when there is no such sync."""
    try:
        return call.hosted.app.definitions.show(sync)
    except NotFoundError:
        return None


def expected_of(view: DefinitionView | None) -> int:
    """The number that a change of it sets out from."""
    return number_of(view.revision) if view is not None else 0


def shown(call: Call, sheet: Sheet, *, error: DynsyncError | None = None, status: int = 200) -> Answer:
    """The page of the editor or the form; with the status and the words of an error that came of it."""
    operation = Operation.CREATE_SYNC if sheet.view is None else Operation.CHANGE_DEFINITION
    template = "definition.html" if sheet.guide is None else "definition_form.html"
    values: dict[str, Any] = {
        "sheet": sheet,
        "may_change": call.gate.may(call.caller, operation, sheet.sync),
        "may_guarded": call.gate.may(call.caller, Operation.CHANGE_GUARDED, sheet.sync),
        "most_rows": MOST_ROWS,
    }
    if error is not None:
        return refused(call, template, error, **values)
    return page(call, template, status=status, refusal=None, **values)


def next_times(schedule: Mapping[str, str], now: datetime) -> tuple[datetime, ...]:
    """When a schedule as it stands in the form is due next; nothing when it is none."""
    try:
        timetable = Timetable.of(Schedule.model_validate({name: text for name, text in schedule.items() if text}))
    except ValidationError:
        return ()
    times: list[datetime] = []
    when: datetime | None = now
    while len(times) < NEXT_TIMES and when is not None:
        when = timetable.after(when)
        times += [when.astimezone(timetable.zone)] if when is not None else []
    return tuple(times)
