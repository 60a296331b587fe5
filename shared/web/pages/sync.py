"""One sync: what it does, how it stands, its last jobs, and the forms to start and to look at it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field, model_validator

from shared.definitions.catalogue import Edit
from shared.definitions.sync import SyncDefinition
from shared.errors import DefinitionError, DynsyncError
from shared.permissions import Operation
from shared.values.events import ListenerView
from shared.values.jobs import Job
from shared.values.schedules import Upcoming
from shared.web.call import Answer
from shared.web.idempotency import HEADER
from shared.web.pages import facts
from shared.web.pages.rendering import page, refused, see
from shared.web.routes import events, starts
from shared.web.routes import syncs as told
from shared.web.routes.forms import Form, StartForm
from shared.web.routing import Call, Route

MOST_JOBS = 8
"""Jobs on the page of a sync; the rest has a page of its own."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the page of a sync tells. `source`, `destination` and `rules` are words; empty when it is broken.

    `edit`: its definition was edited in the app.
    """

    sync: told.SyncView
    jobs: list[Job]
    edit: Edit | None = None
    source: str = ""
    destination: str = ""
    rules: list[str] = field(default_factory=list)
    schedule: Upcoming | None = None
    watermark: told.WatermarkView | None = None
    listener: ListenerView | None = None

    @property
    def open_rejects(self) -> int:
        """Records that were set aside and not read again since, when the last job came to its end."""
        return next((job.open_rejects for job in self.jobs if job.open_rejects is not None), 0)


class StartPageForm(StartForm):
    """The form that starts a job. `once` tells two clicks on one page from two pages."""

    once: str = Field(default="", max_length=100, pattern=r"^[0-9A-Za-z:.+-]*$")

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_left_empty(cls, form: Any) -> Any:
        """An address that nobody typed is none."""
        if not isinstance(form, Mapping) or not isinstance(form.get("files"), Mapping):
            return form
        return {**form, "files": {name: value for name, value in form["files"].items() if value}}


class SwitchForm(Form):
    """How the listener is to be."""

    on: bool


def sync(call: Call) -> Answer:
    """The page of one sync."""
    return _page(call)


def _page(call: Call, **found: object) -> Answer:
    return page(call, "sync.html", **_values(call, **found))


def _values(call: Call, **found: object) -> dict[str, Any]:
    standing = _standing(call)
    nothing: dict[str, object] = {"refusal": None, "problems": None, "connections": None}
    return {"one": standing, "once": call.gate.clock().isoformat(), "typed": call.body.typed, **nothing, **found}


def _standing(call: Call) -> Standing:
    view = told.sync(call)
    jobs = call.hosted.app.jobs(sync=call.sync, limit=MOST_JOBS)
    standing = Standing(view, jobs, call.hosted.app.edited().get(call.sync))
    try:
        return _sound(call, standing, call.hosted.app.definition(call.sync))
    except DefinitionError:
        return standing


def _sound(call: Call, standing: Standing, definition: SyncDefinition) -> Standing:
    due = next(iter(call.hosted.app.upcoming(lambda name: name == call.sync)), None)
    return replace(
        standing,
        source=facts.source_words(definition.source),
        destination=facts.destination_words(definition),
        rules=facts.behaviour_words(definition),
        schedule=due,
        watermark=told.watermark(call) if definition.source.watermark is not None else None,
        listener=events.listener(call) if definition.listener is not None else None,
    )


def start(call: Call) -> Answer:
    """Queue a job, and show it. Two clicks on one page are one start."""
    form: StartPageForm = call.body.value
    if form.once:
        own = {**call.request.headers, HEADER.lower(): f"page {form.once} {_digest(call)}"}
        call = replace(call, request=replace(call.request, headers=own))
    job = starts.start(call).value
    assert isinstance(job, Job), "a start gives its job"  # noqa: S101
    return see(f"/jobs/{job.id}", said="started")


def _digest(call: Call) -> str:
    """The same for two forms that say the same."""
    words = sorted((name, value) for name, value in call.body.typed.items() if name != "once")
    files = sorted((name, one.name, hashlib.sha256(one.content).hexdigest()) for name, one in call.body.files.items())
    return hashlib.sha256(repr([words, files]).encode("utf-8", "surrogatepass")).hexdigest()


def check(call: Call) -> Answer:
    """The definition held against reach, source and Dataverse's metadata, on the page."""
    return _page(call, problems=told.check(call).problems)


def connections(call: Call) -> Answer:
    """Both sides tried, on the page."""
    return _page(call, connections=told.connections(call).connections)


def switch(call: Call) -> Answer:
    """Switch the listener on or off."""
    events.switch(call)
    return see(f"/syncs/{call.sync}", said="switched-on" if call.body.value.on else "switched-off")


def release(call: Call) -> Answer:
    """Let parked events go that have no more reason to wait."""
    events.release(call)
    return see(f"/syncs/{call.sync}", said="released")


def again(call: Call, error: DynsyncError) -> Answer:
    """The page once more, with why its form was refused and what was typed."""
    return refused(call, "sync.html", error, **_values(call))


def _post(path: str, operation: Operation, does: Any, takes: type[Form] | None = None) -> Route:
    return Route(
        method="POST", path=f"/syncs/{{sync}}/{path}", operation=operation, does=does, gives=str, takes=takes,
        page=True, again=again, summary="",
    )  # fmt: skip


ROUTES = [
    Route(
        method="GET", path="/syncs/{sync}", operation=Operation.SHOW_SYNC, does=sync, gives=str, page=True,
        summary="One sync.",
    ),
    _post("start", Operation.RUN, start, StartPageForm),
    _post("check", Operation.CHECK, check),
    _post("test", Operation.TEST_CONNECTION, connections),
    _post("listener", Operation.SWITCH_LISTENER, switch, SwitchForm),
    _post("release", Operation.RELEASE, release),
]  # fmt: skip
