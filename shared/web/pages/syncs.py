"""The first page: every sync that the caller may see, how it stands, and what its last job did."""

from __future__ import annotations

from collections.abc import Mapping
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
    due = _due(call)
    lines = [
        Line(one, edits.get(one.name), _last(call, one.name), due.get(one.name), listeners.get(one.name))
        for one in views
    ]
    everywhere = bool(rights(call.caller, None))
    return page(call, "syncs.html", lines=lines, everywhere=everywhere, application=call.hosted.settings.api_client_id)


def _due(call: Call) -> Mapping[str, datetime]:
    """The next time of each schedule."""
    return {one.sync: one.next[0] for one in told.schedules(call).schedules if one.next}


def _last(call: Call, sync: str) -> Job | None:
    """The sync's newest job."""
    found = call.hosted.lookups.jobs(lambda _: True, limit=1, sync=sync)
    return found[0] if found else None


ROUTES = [
    Route(
        method="GET", path="/", operation=Operation.LIST_SYNCS, does=syncs, gives=str, page=True,
        summary="The syncs that the caller may see.",
    )
]  # fmt: skip
