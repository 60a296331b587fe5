"""Definitions: seen, examined, changed and dropped in the running app."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from shared.definitions.document import MAX_CHARACTERS
from shared.errors import DefinitionError, RequestError
from shared.permissions import Operation
from shared.values.definitions import DefinitionView, Draft
from shared.values.problems import Problem
from shared.values.revisions import Revision
from shared.web.changing import required, saved
from shared.web.preconditions import expected_number, tagged
from shared.web.routes.forms import DefinitionForm, DraftForm, DropQuery, RevisionsQuery
from shared.web.routing import Call, Reply, Route

MOST_BYTES = 12 * MAX_CHARACTERS + 100_000
"""Of a body: JSON may need twelve signs for one character of a text."""


class RevisionsPage(BaseModel):
    """Revisions of a definition, the newest first."""

    revisions: list[Revision]
    before: int | None = Field(description="For the next page; null on the last one.")


class TextView(BaseModel):
    """One text of a definition."""

    sync: str
    number: int = Field(description="The revision's; 0: the text of the file.")
    text: str


class DraftView(BaseModel):
    """What a text would be as the sync's next definition."""

    sync: str
    sound: bool = Field(description="Whether it may be saved: no problem of the text itself is an error.")
    problems: list[Problem]
    guarded: list[str] = Field(description="Settings that would change and that only an administrator may change.")
    creates: bool = Field(description="There is no such sync yet.")
    same: bool = Field(description="It means what the definition means now.")

    @classmethod
    def of(cls, draft: Draft, looked: list[Problem]) -> Self:
        """As it is told, with what a look at the other systems found."""
        return cls(
            sync=draft.sync,
            sound=draft.sound,
            problems=[*draft.problems, *(one for one in looked if one not in draft.problems)],
            guarded=list(draft.guarded),
            creates=draft.creates,
            same=draft.same,
        )

    def value(self) -> Draft:
        """As it was."""
        guarded, problems = tuple(self.guarded), tuple(self.problems)
        return Draft(self.sync, problems, guarded, creates=self.creates, same=self.same)


def definition(call: Call) -> Reply:
    """The definition as it is now."""
    view = call.hosted.app.definitions.show(call.sync)
    return Reply(view, headers=tagged(view.revision))


def revisions(call: Call) -> RevisionsPage:
    """What was changed, by whom and when."""
    query: RevisionsQuery = call.query
    found = call.hosted.app.definitions.revisions(call.sync, before=query.before, limit=query.limit)
    return RevisionsPage(revisions=found, before=found[-1].number if len(found) == query.limit else None)


def revision_text(call: Call) -> TextView:
    """The text of one revision, or of the file."""
    number = _number(call.path["number"])
    return TextView(sync=call.sync, number=number, text=call.hosted.app.definitions.text(call.sync, number))


def _number(told: str) -> int:
    if told.isascii() and told.isdigit() and len(told) <= 15:
        return int(told)
    raise RequestError("a revision's number is a whole one", status=422, remedy="0 is the file's text")


def check_definition(call: Call) -> DraftView:
    """Examine a text; whoever may not save it learns nothing of what is wrong with it."""
    form: DraftForm = call.body.value
    desk = call.hosted.app.definitions
    draft = desk.draft(call.sync, form.text)
    required(call.gate, call.caller, draft)
    with call.gate.noting(call.caller, Operation.CHANGE_DEFINITION, call.sync):
        return DraftView.of(draft, desk.look(call.sync, form.text) if form.deep and draft.sound else [])


def save_definition(call: Call) -> Reply:
    """Put a text in the place of the definition."""
    form: DefinitionForm = call.body.value
    expected = expected_number(call.request.headers)
    try:
        revision = saved(call, call.sync, form.text, expected=expected, note=form.note)
    except DefinitionError as error:  # it is the call's own text that is wrong, and nothing that stands here
        raise RequestError(error.found, status=422, problems=error.problems) from None
    return Reply(revision, headers=tagged(revision))


def drop_definition(call: Call) -> Reply:
    """Give the sync back to its file; where it has none, take it away."""
    query: DropQuery = call.query
    revision = saved(call, call.sync, None, expected=expected_number(call.request.headers), note=query.note)
    return Reply(revision, headers=tagged(revision))


_OUTSIDE = (409, 502)

ROUTES = [
    Route(
        method="GET", path="/api/syncs/{sync}/definition", operation=Operation.SEE_DEFINITION, does=definition,
        gives=DefinitionView, tagged=True, summary="The definition as it is now, and whose: the file's or an edit's.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/definition/revisions", operation=Operation.SEE_DEFINITION,
        does=revisions, gives=RevisionsPage, query=RevisionsQuery,
        summary="What was changed in the app, by whom and when, the newest first.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/definition/revisions/{number}", operation=Operation.SEE_DEFINITION,
        does=revision_text, gives=TextView, refuses=(409,),
        summary="The text of one revision; of number 0, that of the file.",
    ),
    Route(
        method="POST", path="/api/syncs/{sync}/definition/check", operation=Operation.CHANGE_DEFINITION, notes=True,
        does=check_definition, gives=DraftView, takes=DraftForm, most_bytes=MOST_BYTES, refuses=_OUTSIDE,
        summary="Examine a text as the sync's next definition; it takes the right that saving it takes.",
    ),
    Route(
        method="PUT", path="/api/syncs/{sync}/definition", operation=Operation.CHANGE_DEFINITION, notes=True,
        does=save_definition, gives=Revision, takes=DefinitionForm, most_bytes=MOST_BYTES, tagged=True,
        conditional=True, refuses=(409,), summary="Put a text in the place of the definition, or create a sync.",
    ),
    Route(
        method="DELETE", path="/api/syncs/{sync}/definition", operation=Operation.CHANGE_DEFINITION, notes=True,
        does=drop_definition, gives=Revision, query=DropQuery, tagged=True, conditional=True, refuses=(409,),
        summary="Give the sync back to its file; where it has none, take it away.",
    ),
]  # fmt: skip
