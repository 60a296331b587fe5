"""Syncs: which there are, whether they are sound, and what they lead to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from shared.definitions.sync import SyncDefinition
from shared.errors import AuthenticationError, DefinitionError, FailError, NotFoundError, RefuseError, RetryError
from shared.permissions import Operation, Right, rights
from shared.values.problems import Problem
from shared.values.schedules import Upcoming
from shared.values.tables import Table
from shared.values.watermarks import Watermark
from shared.web.routes.forms import WatermarkForm
from shared.web.routing import Call, Route


class VariableView(BaseModel):
    """One variable: what to ask for when a job is started."""

    name: str
    description: str
    default: str | None
    required: bool
    file: bool


class SyncView(BaseModel):
    """One sync, as the caller may see it. `problems`: why it cannot run, when its definition is broken."""

    name: str
    title: str = ""
    description: str = ""
    enabled: bool = False
    version: str = ""
    variables: list[VariableView] = Field(default_factory=list)
    schedule: str | None = None
    rights: list[Right] = Field(default_factory=list)
    problems: list[Problem] = Field(default_factory=list)


class SyncsView(BaseModel):
    """The syncs that the caller may see, by name."""

    syncs: list[SyncView]


class CheckView(BaseModel):
    """What is wrong with a sync; it may run when no problem is an error."""

    sync: str
    problems: list[Problem]


class ColumnsView(BaseModel):
    """The source's own columns in their order, and their types."""

    columns: dict[str, str]


class ConnectionView(BaseModel):
    """Whether one side can be reached, and what stands in the way; `tried`: whether it could be looked for at all."""

    name: str
    up: bool
    note: str = ""
    tried: bool = True


class ConnectionsView(BaseModel):
    """Both sides of a sync."""

    connections: list[ConnectionView]


class WatermarkView(BaseModel):
    """How far an incremental sync has read its source; null: the next run reads everything.

    `caution` is what to know of one that was set just now.
    """

    column: str | None
    watermark: str | None
    date: bool = False
    caution: str = ""

    @classmethod
    def of(cls, found: Watermark | None) -> Self:
        """As it is told."""
        if found is None:
            return cls(column=None, watermark=None)
        return cls(column=found.column, watermark=str(found), date=isinstance(found.value, datetime))

    def value(self) -> Watermark | None:
        """As it was."""
        if self.column is None or self.watermark is None:
            return None
        return Watermark.from_text(self.column, self.watermark, date=self.date)


def syncs(call: Call) -> SyncsView:
    """The syncs that the caller may see."""
    names = call.hosted.app.recent_names()
    seen = [name for name in names if call.gate.may(call.caller, Operation.SHOW_SYNC, name)]
    return SyncsView(syncs=[view for name in seen if (view := _if_there(call, name)) is not None])


def _if_there(call: Call, name: str) -> SyncView | None:
    """One sync of the list; None when it was taken away meanwhile."""
    try:
        return _view(call, name, call.hosted.app.recent)
    except NotFoundError:
        return None


def sync(call: Call) -> SyncView:
    """One sync."""
    return _view(call, call.sync, call.hosted.app.definition)


def _view(call: Call, name: str, look: Callable[[str], SyncDefinition]) -> SyncView:
    held = rights(call.caller, call.hosted.permissions(name), sync=name)
    try:
        definition = look(name)
    except DefinitionError as error:
        return SyncView(name=name, rights=sorted(held), problems=list(error.problems))
    variables = [
        VariableView(name=key, description=one.description, default=one.default, required=one.required, file=one.file)
        for key, one in definition.variables.items()
        if one.formula is None
    ]
    return SyncView(
        name=name,
        title=definition.title or "",
        description=definition.description,
        enabled=definition.enabled,
        version=definition.version,
        variables=variables,
        schedule=definition.schedule.cron if definition.schedule else None,
        rights=sorted(held),
    )


class SchedulesView(BaseModel):
    """The schedules of the syncs that the caller may see, with their next times."""

    schedules: list[Upcoming]


def schedules(call: Call) -> SchedulesView:
    """When which sync is due."""
    found = call.hosted.app.upcoming(lambda sync: call.gate.may(call.caller, Operation.SHOW_SYNC, sync))
    return SchedulesView(schedules=found)


def check(call: Call) -> CheckView:
    """The definition held against reach, source and Dataverse's metadata."""
    return CheckView(sync=call.sync, problems=call.hosted.app.check(call.sync))


def source(call: Call) -> ColumnsView:
    """The columns of the source, where it can be opened without a start's variables."""
    return ColumnsView(columns=dict(call.hosted.app.checker.source_columns(call.sync)))


def table(call: Call) -> Table:
    """The destination's table with its columns."""
    return call.hosted.app.checker.table(call.sync)


def connections(call: Call) -> ConnectionsView:
    """Try both sides with the credentials that the definition names."""
    checker = call.hosted.app.checker
    definition = call.hosted.app.definition(call.sync)
    given = [name for name, variable in definition.variables.items() if variable.required]
    if given:
        late = f"what it reads is told by each start ({', '.join(given)}), so there is nothing to try before"
        untried = ConnectionView(name="source", up=False, note=late, tried=False)
        return ConnectionsView(connections=[untried, _tried("destination", checker.table, call.sync)])
    looks: Mapping[str, Callable[[str], object]] = {"source": checker.source_columns, "destination": checker.table}
    return ConnectionsView(connections=[_tried(name, look, call.sync) for name, look in looks.items()])


def _tried(name: str, look: Callable[[str], object], sync_name: str) -> ConnectionView:
    try:
        look(sync_name)
    except (AuthenticationError, FailError, RefuseError, RetryError) as error:
        return ConnectionView(name=name, up=False, note=str(error))
    return ConnectionView(name=name, up=True)


def watermark(call: Call) -> WatermarkView:
    """How far the sync has read."""
    return WatermarkView.of(call.hosted.app.watermark(call.sync))


def set_watermark(call: Call) -> WatermarkView:
    """Put the watermark elsewhere."""
    form: WatermarkForm = call.body.value
    found = call.hosted.app.set_watermark(call.sync, form.watermark, dry=form.dry_run)
    caution = found.caution(call.gate.clock()) if found is not None else ""
    return WatermarkView.of(found).model_copy(update={"caution": caution})


_OUTSIDE = (409, 422, 502, 503)

ROUTES = [
    Route(
        method="GET", path="/api/syncs", operation=Operation.LIST_SYNCS, does=syncs, gives=SyncsView,
        summary="The syncs that the caller may see, with the caller's rights.",
    ),
    Route(
        method="GET", path="/api/schedules", operation=Operation.LIST_SYNCS, does=schedules, gives=SchedulesView,
        summary="When the syncs that the caller may see are due.",
    ),
    Route(
        method="GET", path="/api/syncs/{sync}", operation=Operation.SHOW_SYNC, does=sync, gives=SyncView,
        summary="One sync: its variables, and whether it is sound.",
    ),
    Route(
        method="POST", path="/api/syncs/{sync}/check", operation=Operation.CHECK, does=check, gives=CheckView,
        summary="Hold the definition against reach, source and Dataverse's metadata.", refuses=_OUTSIDE,
    ),
    Route(
        method="POST", path="/api/syncs/{sync}/test", operation=Operation.TEST_CONNECTION, does=connections,
        gives=ConnectionsView, summary="Try the connections to both sides.", refuses=_OUTSIDE,
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/source", operation=Operation.SEE_SOURCE, does=source, gives=ColumnsView,
        summary="The columns of the source.", refuses=_OUTSIDE,
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/destination", operation=Operation.SEE_DESTINATION, does=table,
        gives=Table, summary="The destination's table with its columns.", refuses=_OUTSIDE,
    ),
    Route(
        method="GET", path="/api/syncs/{sync}/watermark", operation=Operation.SEE_WATERMARK, does=watermark,
        gives=WatermarkView, summary="How far an incremental sync has read its source.", refuses=(409,),
    ),
    Route(
        method="PUT", path="/api/syncs/{sync}/watermark", operation=Operation.SET_WATERMARK, does=set_watermark,
        gives=WatermarkView, takes=WatermarkForm, summary="Let the sync read from elsewhere on.", refuses=(409,),
    ),
]  # fmt: skip
