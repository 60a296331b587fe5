"""The first page: every sync that the caller may see, how it stands, and what its last job did."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from shared.definitions.catalogue import Edit
from shared.permissions import Operation, rights
from shared.values.events import ListenerView
from shared.values.jobs import Job
from shared.web.call import Answer
from shared.web.pages.rendering import page
from shared.web.routes import events
from shared.web.routes import syncs as told
from shared.web.routing import Call, Route

_SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One sync with what is known of it. `edit`: of a definition that was edited in the app; `next_at`: when its
    schedule starts it next."""

    sync: told.SyncView
    edit: Edit | None
    last: Job | None
    next_at: datetime | None
    listener: ListenerView | None


def syncs(call: Call) -> Answer:
    """All of them, by name."""
    edits = call.hosted.app.edited()
    views = told.syncs(call).syncs
    listeners = {one.sync: one for one in events.listeners(call)}
    due = call.hosted.app.schedules.next_times(call.gate.clock())
    lasts = _lasts(call, [one.name for one in views])
    lines = [
        Line(one, edits.get(one.name), last, due.get(one.name), listeners.get(one.name))
        for one, last in zip(views, lasts, strict=True)
    ]
    everywhere = bool(rights(call.caller, None))
    return page(call, "syncs.html", lines=lines, everywhere=everywhere, application=call.hosted.settings.api_client_id)


def _lasts(call: Call, names: Sequence[str]) -> list[Job | None]:
    """The newest job of each sync; in Azure each is a question of its own, so they are asked side by side."""
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="dynsync-page") as pool:
        return list(pool.map(lambda name: next(iter(call.hosted.app.jobs(sync=name, limit=1)), None), names))


ROUTES = [
    Route(
        method="GET", path="/", operation=Operation.LIST_SYNCS, does=syncs, gives=str, page=True,
        summary="The syncs that the caller may see.",
    )
]  # fmt: skip
