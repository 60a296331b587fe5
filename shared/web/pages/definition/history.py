"""Revisions of a definition: who, when and why, each with its text and difference; and the way back to the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints

from shared.definitions.differences import difference
from shared.errors import DynsyncError, RefuseError, RequestError
from shared.permissions import Operation
from shared.values.definitions import DefinitionView, Draft
from shared.values.jobs import Job
from shared.values.revisions import Revision
from shared.web.call import Answer
from shared.web.changing import asked, saved
from shared.web.pages.definition.editor import Number
from shared.web.pages.definition.sheet import MOST_ROWS, Compared, expected_of
from shared.web.pages.rendering import page, refused, see
from shared.web.routes.forms import Form
from shared.web.routing import Call, Route

AT_A_TIME = 50
LAST_JOBS = 100
"""Jobs of the sync that are looked through for the definition they ran with."""


class HistoryQuery(Form):
    """Which revisions."""

    before: Annotated[int, Field(ge=1, le=10**15)] | None = None


def _now(told: object) -> object:
    return None if told in ("", "now") else told


Side = Annotated[Number | None, BeforeValidator(_now)]


class DifferenceQuery(Form):
    """Which two texts: numbers of revisions, 0 for the file, `now` for the definition as it is."""

    old: Side = 0
    new: Side = None


class DropForm(Form):
    """Why the edit is dropped, and which revision was seen."""

    expected: Number
    note: Annotated[str, StringConstraints(max_length=1000)] = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A revision with what is known of it: an earlier one that means the same, and jobs that ran with it."""

    revision: Revision
    same_as: int | None
    jobs: tuple[Job, ...]


def history(call: Call) -> Answer:
    """All revisions, the newest first."""
    query: HistoryQuery = call.query
    desk = call.hosted.app.definitions
    view = desk.show(call.sync)
    found = desk.revisions(call.sync, before=query.before, limit=AT_A_TIME)
    lines = _lines(found, _jobs(call))
    more = found[-1].number if len(found) == AT_A_TIME else None
    return page(call, "revisions.html", sync=call.sync, view=view, lines=lines, more=more, first=query.before is None)


def _jobs(call: Call) -> Mapping[str, list[Job]]:
    """The last jobs by the definition that they ran with."""
    found: dict[str, list[Job]] = {}
    for job in call.hosted.lookups.jobs(lambda _: True, limit=LAST_JOBS, sync=call.sync):
        found.setdefault(job.definition_hash, []).append(job)
    return found


def _lines(revisions: Sequence[Revision], jobs: Mapping[str, Sequence[Job]]) -> list[Line]:
    lines: list[Line] = []
    for place, one in enumerate(revisions):
        earlier = (other.number for other in revisions[place + 1 :] if other.meaning == one.meaning)
        same_as = next(earlier, None) if one.meaning else None
        ran = tuple(job for job in jobs.get(one.meaning, ()) if one.ran_in(job))
        lines.append(Line(one, same_as, ran))
    return lines


def revision(call: Call) -> Answer:
    """One revision: its text, and what it changed."""
    number = number_in(call.path["number"])
    desk = call.hosted.app.definitions
    view = desk.show(call.sync)
    found = next(iter(desk.revisions(call.sync, before=number + 1, limit=1)), None) if number else None
    text = desk.text(call.sync, number)
    return page(
        call, "revision.html", sync=call.sync, view=view, number=number, text=text,
        one=found if found is not None and found.number == number else None,
    )  # fmt: skip


def number_in(told: str) -> int:
    """The number of a revision in a path. Raises `RequestError`."""
    if told.isascii() and told.isdigit() and len(told) <= 15:
        return int(told)
    raise RequestError("a revision's number is a whole one", status=422, remedy="0 is the file's text")


def differences(call: Call) -> Answer:
    """Two texts of the definition beside each other."""
    query: DifferenceQuery = call.query
    desk = call.hosted.app.definitions
    view = desk.show(call.sync)
    numbers = [one.number for one in desk.revisions(call.sync, limit=200) if not one.dropped]
    compared = Compared(
        _name(query.old), _name(query.new), difference(_text(call, view, query.old), _text(call, view, query.new))
    )
    return page(
        call, "differences.html", sync=call.sync, view=view, numbers=numbers, compared=compared, old=query.old,
        new=query.new, most_rows=MOST_ROWS,
    )  # fmt: skip


def _name(number: int | None) -> str:
    if number is None:
        return "as it is now"
    return f"revision {number}" if number else "the file"


def _text(call: Call, view: DefinitionView, number: int | None) -> str:
    return view.text if number is None else call.hosted.app.definitions.text(call.sync, number)


def drop(call: Call) -> Answer:
    """What dropping the edit would change, before it is done."""
    view = call.hosted.app.definitions.show(call.sync)
    return page(call, "drop.html", refusal=None, **_drop(call, view))


def _drop(call: Call, view: DefinitionView) -> dict[str, Any]:
    desk = call.hosted.app.definitions
    draft: Draft | None = None if view.from_file else desk.draft(call.sync, None)
    file = desk.text(call.sync, 0) if view.file else ""
    return {
        "sync": call.sync,
        "view": view,
        "draft": draft,
        "may_drop": draft is not None and call.gate.may(call.caller, asked(draft), call.sync),
        "expected": expected_of(view),
        "compared": Compared("as it is now", "the file", difference(view.text, file)),
        "most_rows": MOST_ROWS,
    }


def dropped(call: Call) -> Answer:
    """The edit is dropped."""
    form: DropForm = call.body.value
    view = call.hosted.app.definitions.show(call.sync)
    saved(call, call.sync, None, expected=form.expected, note=form.note)
    if view.file:
        return see(f"/syncs/{call.sync}/definition", said="dropped")
    return see("/", said="taken-away")


def again(call: Call, error: DynsyncError) -> Answer:
    """The question once more, with why it was refused."""
    view = call.hosted.app.definitions.show(call.sync)
    if view.from_file and not isinstance(error, RefuseError):
        raise error
    return refused(call, "drop.html", error, **_drop(call, view))


_HERE = "/syncs/{sync}/definition"

ROUTES = [
    Route(
        method="GET", path=f"{_HERE}/revisions", operation=Operation.SEE_DEFINITION, does=history, gives=str,
        page=True, query=HistoryQuery, summary="Who changed the definition, when and why.",
    ),
    Route(
        method="GET", path=f"{_HERE}/revisions/{{number}}", operation=Operation.SEE_DEFINITION, does=revision,
        gives=str, page=True, summary="One revision.",
    ),
    Route(
        method="GET", path=f"{_HERE}/differences", operation=Operation.SEE_DEFINITION, does=differences, gives=str,
        page=True, query=DifferenceQuery, summary="Two texts of the definition beside each other.",
    ),
    Route(
        method="GET", path=f"{_HERE}/drop", operation=Operation.CHANGE_DEFINITION, does=drop, gives=str, page=True,
        summary="What dropping the edit would change.",
    ),
    Route(
        method="POST", path=f"{_HERE}/drop", operation=Operation.CHANGE_DEFINITION, does=dropped, gives=str, page=True,
        takes=DropForm, again=again, notes=True, summary="Drop the edit.",
    ),
]  # fmt: skip
