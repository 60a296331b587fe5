"""A new sync, made in the app: a name, a text to begin with, and then the editor."""

from __future__ import annotations

from shared.errors import DynsyncError, RefuseError
from shared.permissions import Operation
from shared.web.call import Answer
from shared.web.pages.definition.beginnings import BEGINNINGS
from shared.web.pages.definition.editor import EditorForm, checked, done, tried_again
from shared.web.pages.definition.sheet import Sheet, shown
from shared.web.pages.rendering import page, refused, see
from shared.web.routes.forms import SyncName
from shared.web.routing import Call, Route


class FreshForm(EditorForm):
    """The editor's text of a sync that is not there yet; without a text, what to begin with."""

    sync: SyncName
    beginning: str = ""
    text: str = ""


def fresh(call: Call) -> Answer:
    """Asks for a name and a beginning."""
    return page(call, "new.html", refusal=None, beginnings=BEGINNINGS.values(), typed={})


def begun(call: Call) -> Answer:
    """The text to begin with in the editor; or what was asked for, done with it."""
    form: FreshForm = call.body.value
    if form.sync in call.hosted.app.sync_names():
        raise RefuseError(f"there is a sync {form.sync!r} already", remedy="take another name")
    if form.beginning in BEGINNINGS:
        return shown(call, checked(call, Sheet(form.sync, BEGINNINGS[form.beginning].text(form.sync), None)))
    answer = done(call, form, Sheet(form.sync, form.text, None, form.expected, form.note))
    return see(f"/syncs/{form.sync}", said="created") if answer.status == 303 else answer


def again(call: Call, error: DynsyncError) -> Answer:
    """The question or the editor once more, with what was typed."""
    typed = call.body.typed
    if typed.get("text") and typed.get("sync"):
        return tried_again(call, typed["sync"], error)
    return refused(call, "new.html", error, beginnings=BEGINNINGS.values(), typed=typed)


ROUTES = [
    Route(
        method="GET", path="/new", operation=Operation.CREATE_SYNC, does=fresh, gives=str, page=True,
        summary="Begin a new sync.",
    ),
    Route(
        method="POST", path="/new", operation=Operation.CREATE_SYNC, does=begun, gives=str, page=True,
        takes=FreshForm, again=again, notes=True, summary="Check, compare or save the new sync's text.",
    ),
]  # fmt: skip
