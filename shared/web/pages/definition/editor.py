"""The editor of a definition: read, checked, compared, filled in as a form, and saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.definitions.differences import difference
from shared.definitions.document import MAX_CHARACTERS, DocumentError
from shared.definitions.guided import RowAnswer, filled_in, guide
from shared.errors import DefinitionError, DynsyncError, NotAllowedError, RefuseError, StaleDefinitionError
from shared.permissions import Operation
from shared.values.definitions import DefinitionView
from shared.web.call import Answer
from shared.web.changing import required, saved
from shared.web.pages.definition.sheet import Compared, Sheet, expected_of, next_times, shown, view_of
from shared.web.pages.rendering import see
from shared.web.routes.forms import Form
from shared.web.routing import Call, Route

Number = Annotated[int, Field(ge=0, le=10**15)]
Do = Literal["check", "look", "compare", "save", "form", "apply", "edit"]


class EditorQuery(Form):
    """What is put into the editor: the definition as it is now, or an older text of it; as text or as a form."""

    revision: Number | None = None
    form: bool = False


class EditorForm(Form):
    """The editor's text with what is to be done with it; from the form, what was filled in, too."""

    do: Do = "check"
    text: Annotated[str, StringConstraints(max_length=2 * MAX_CHARACTERS)]
    expected: Number = 0
    note: Annotated[str, StringConstraints(max_length=1000)] = ""
    setting: dict[str, str] = Field(default_factory=dict)
    source: dict[str, str] = Field(default_factory=dict)
    target: dict[str, str] = Field(default_factory=dict)
    place: dict[str, str] = Field(default_factory=dict)
    key: dict[str, str] = Field(default_factory=dict)
    gone: dict[str, str] = Field(default_factory=dict)

    def rows(self) -> list[RowAnswer]:
        """The mappings as they were filled in."""
        return [self._row(name) for name in {**self.place, **self.source, **self.target}]

    def _row(self, name: str) -> RowAnswer:
        number = _whole(name)
        last = len(self.place) + 1
        return RowAnswer(
            number=number,
            source=self.source.get(name, "").strip(),
            target=self.target.get(name, "").strip(),
            place=_whole(self.place.get(name, "").strip()) or last,
            key=name in self.key,
            gone=name in self.gone,
        )


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def editor(call: Call) -> Answer:
    """The definition in the editor."""
    query: EditorQuery = call.query
    desk = call.hosted.app.definitions
    view = desk.show(call.sync)
    may = call.gate.may(call.caller, Operation.CHANGE_DEFINITION, call.sync)
    sheet = Sheet(call.sync, view.text, view, expected_of(view), problems=view.problems)
    if query.revision is not None:
        text = desk.text(call.sync, query.revision)
        sheet = replace(sheet, text=text, note=_restores(query.revision), compared=_change(view, text))
        sheet = checked(call, sheet) if may else sheet
    return formed(call, sheet) if query.form and may else shown(call, sheet)


def _restores(number: int) -> str:
    return f"Back to revision {number}" if number else "Back to the text of the file"


def edited(call: Call) -> Answer:
    """What was asked for, done with the text."""
    form: EditorForm = call.body.value
    view = view_of(call, call.sync)
    return done(call, form, Sheet(call.sync, as_written(form.text, view), view, form.expected, form.note))


def done(call: Call, form: EditorForm, sheet: Sheet) -> Answer:
    """One step with a text: what it was asked for, and the page that shows it."""
    match form.do:
        case "save":
            return _saved(call, sheet)
        case "form":
            return formed(call, sheet)
        case "apply":
            return _applied(call, form, sheet)
        case "compare":
            return shown(call, replace(checked(call, sheet), compared=_change(sheet.view, sheet.text)))
        case "edit":
            return shown(call, sheet)
    return shown(call, checked(call, sheet, deep=form.do == "look"))


def as_written(text: str, view: DefinitionView | None) -> str:
    """The text with the line ends of what is there now: a browser knows only one kind of them."""
    windows = view is not None and "\n" in view.text and view.text.count("\r\n") == view.text.count("\n")
    return text.replace("\n", "\r\n") if windows else text


def checked(call: Call, sheet: Sheet, *, deep: bool = False) -> Sheet:
    """The sheet with what is wrong with its text; who may not save it is told just that."""
    desk = call.hosted.app.definitions
    draft = desk.draft(sheet.sync, sheet.text)
    try:
        required(call.gate, call.caller, draft)
    except NotAllowedError as error:
        return replace(sheet, draft=draft, barred=str(error))
    problems = draft.problems
    if deep and draft.sound:
        with call.gate.noting(call.caller, Operation.CHANGE_DEFINITION, sheet.sync):
            looked = desk.look(sheet.sync, sheet.text)
        problems = (*problems, *(one for one in looked if one not in problems))
    return replace(sheet, draft=draft, problems=problems, looked=deep and draft.sound)


def formed(call: Call, sheet: Sheet) -> Answer:
    """The text as a form; as text, when it cannot be read."""
    try:
        found = guide(sheet.text)
    except DocumentError as error:
        wrong = RefuseError("the text cannot be shown as a form", remedy="mend first what stands beside it")
        return shown(call, replace(sheet, problems=error.problems), error=wrong)
    times = next_times(found.schedule, call.gate.clock())
    return shown(call, replace(checked(call, sheet), guide=found, following=times))


def _applied(call: Call, form: EditorForm, sheet: Sheet) -> Answer:
    """What was filled in, in the text; the difference is shown before anything is saved."""
    text = filled_in(sheet.text, form.setting, form.rows())
    sheet = checked(call, replace(sheet, text=text))
    return shown(call, replace(sheet, compared=_change(sheet.view, text)))


def _change(view: DefinitionView | None, text: str) -> Compared:
    now = view.text if view is not None else ""
    return Compared("now", "your text", difference(now, text))


def _saved(call: Call, sheet: Sheet) -> Answer:
    saved(call, sheet.sync, sheet.text, expected=sheet.expected, note=sheet.note)
    return see(f"/syncs/{sheet.sync}/definition", said="saved")


def again(call: Call, error: DynsyncError) -> Answer:
    """The editor once more, with what was typed, and why it was refused."""
    return tried_again(call, call.sync, error)


def tried_again(call: Call, sync: str, error: DynsyncError) -> Answer:
    """As `again`, of a sync whose name may stand in the form."""
    typed: Mapping[str, str] = call.body.typed
    view = view_of(call, sync)
    text = as_written(typed.get("text", ""), view)
    sheet = Sheet(sync, text, view, _whole(typed.get("expected", "")) or 0, typed.get("note", ""), typed=typed)
    if isinstance(error, StaleDefinitionError):
        newest = expected_of(view)
        sheet = replace(checked(call, sheet), expected=newest, stale=True, compared=_change(view, text))
        return shown(call, sheet, error=error)
    if isinstance(error, DefinitionError):
        wrong = RefuseError("the text was not saved, for it has errors", remedy="mend what stands beside it")
        return shown(call, replace(sheet, problems=error.problems), error=wrong)
    if typed.get("do") == "apply":
        try:
            return shown(call, replace(sheet, guide=guide(text)), error=error)
        except DocumentError:
            pass
    return shown(call, sheet, error=error)


ROUTES = [
    Route(
        method="GET", path="/syncs/{sync}/definition", operation=Operation.SEE_DEFINITION, does=editor, gives=str,
        page=True, query=EditorQuery, summary="The definition in an editor.",
    ),
    Route(
        method="POST", path="/syncs/{sync}/definition", operation=Operation.CHANGE_DEFINITION, does=edited, gives=str,
        page=True, takes=EditorForm, again=again, notes=True, summary="Check, compare or save the text.",
    ),
]  # fmt: skip
