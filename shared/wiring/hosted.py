"""The product in Azure Functions: what timer, queue and HTTP ask of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from shared.definitions.permissions import Permissions
from shared.errors import DefinitionError, NotFoundError, RefuseError
from shared.log import event
from shared.ports import Clock
from shared.values.cases import Choice
from shared.values.jobs import Job, JobState
from shared.wiring.app import LocalApp
from shared.wiring.buses import bus_of
from shared.wiring.connections import utc_now
from shared.wiring.health import HealthDesk
from shared.wiring.lookups import Lookups
from shared.wiring.nudges import Nudge, Nudges
from shared.wiring.progress import told
from shared.wiring.settings import Settings
from shared.wiring.starting import Starter
from shared.wiring.watching import EVERY_MINUTES, watch

_log = logging.getLogger(__name__)
REMEMBERED = timedelta(days=7)
"""How long a caller's own key leads to the same job."""
_AZURE = ("WEBSITE_SITE_NAME", "WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME", "CONTAINER_NAME")
"""Each tells that the process runs in Azure. Source: Microsoft Learn, "Environment variables and app settings in Azure
App Service", 2026."""


_PEER_HEADER = "LOCAL_HOST_PEER_HEADER"
"""What a host on this machine sets for the app when it tells, in a header of its own, where a call comes from."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the app believes: `platform`: App Service authentication is on, so its header is the platform's own;
    `developer`: this is a developer's machine, and who calls it from there may do everything.

    `peer_header`: in which the host tells the address that a call comes from, whatever the caller sent under that name;
    `unchecked`: a developer is believed, too, by a host that tells none.
    """

    platform: bool = False
    developer: bool = False
    peer_header: str | None = None
    unchecked: bool = False

    @classmethod
    def told(cls, settings: Settings, environ: Mapping[str, str]) -> Trust:
        """What the platform's environment and the settings say. In Azure nobody is a developer."""
        return cls(
            platform=environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true",
            developer=settings.developer and not in_azure(environ),
            peer_header=environ.get(_PEER_HEADER, "").lower() or None,
            unchecked=settings.developer_unchecked,
        )

    def note(self) -> None:
        """Say in the log what a host that does not tell who calls means for a developer."""
        if not self.developer or self.peer_header:
            return
        if self.unchecked:
            name, why = (
                "developer.left_unchecked",
                "whoever reaches this port may do everything: have `func start` listen",
            )
            event(_log, name, level=logging.WARNING, why=f"{why} to 127.0.0.1 alone")
        else:
            why = "this host (func start) does not tell who calls, so DYNSYNC_DEVELOPER=true lets nobody in"
            event(_log, "developer.refused", level=logging.WARNING, why=why, see="docs/local.md")


class Hosted:
    """The product behind the functions."""

    def __init__(self, app: LocalApp, settings: Settings, trust: Trust, nudges: Nudges) -> None:
        self.app = app
        self.settings = settings
        self.trust = trust
        self.nudges = nudges
        self.health = HealthDesk(app, nudges, time.monotonic)
        self.lookups = Lookups(app.stores.state, app.stores.progress)
        self.starter = Starter(app, app.stores.calls, nudges, utc_now)

    def permissions(self, sync: str) -> Permissions | None:
        """Who may do what with a sync; None when there is none, or its definition cannot be read."""
        return self.app.permissions(sync)

    def find_job(self, job_id: str) -> Job | None:
        """One job by its whole id; None when there is none."""
        try:
            job = self.app.job(job_id)
        except NotFoundError:
            return None
        return job if job.id == job_id else None

    def apply(self, job: Job, *, by: str) -> Job:
        """Let the plan of a job be carried out. Raises `RefuseError`, `DefinitionError`."""
        job = self.app.queue_apply(job.id, by=by)
        self.nudges.first(job)
        return job

    def undo(self, job: Job, *, by: str, apply: bool) -> Job:
        """A job that takes another one's changes back. Raises `RefuseError`, `DefinitionError`."""
        undo = self.app.queue_undo(job.id, by=by, apply=apply)
        self.nudges.first(undo)
        return undo

    def replay(self, target: str, choice: Choice, *, by: str, apply: bool) -> Job:
        """A job that runs open rejects of a sync, or of a job, again. Raises `RefuseError`, `DefinitionError`."""
        job = self.app.queue_replay(target, choice, by=by, apply=apply)
        self.nudges.first(job)
        return job

    def challenge(self) -> str:
        """What a 401 says: where to sign in, and for which application (RFC 6750)."""
        tenant, client = self.settings.tenant_id or "organizations", self.settings.api_client_id
        scope = f', scope="api://{client}/.default"' if client else ""
        return f'Bearer authorization_uri="https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize"{scope}'

    def every_minute(self, *, clock: Clock = utc_now) -> None:
        """Queue the syncs that are due, nudge the jobs that nobody works on, let parked events go, and once an hour
        remove what is old."""
        now = clock()
        for job in self.app.schedules.tick(now):
            self.nudges.first(job)
        for job in self.app.schedules.stranded(now):
            self.nudges.again(job)
        self.app.listening.release_all(by="timer")
        if now.minute == 0:
            self.app.schedules.prune(now)
            self.app.stores.calls.forget_before(now - REMEMBERED)

    def watch(self, *, clock: Clock = utc_now) -> None:
        """Every few minutes: say in the log what people should be told of without asking."""
        now = clock()
        if now.minute % EVERY_MINUTES == 0:
            stores, names, broken = self.app.stores, self.app.sync_names(), self.app.broken()
            stranded = self.app.schedules.stranded(now)
            watch(stranded, syncs=names, broken=broken, park=stores.park, listeners=stores.listeners, now=now)

    def run_job(self, message: bytes, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """One slice of the job that a message on the queue names; the next slice gets a message of its own.

        A message that names no job, or a job that another slice works on, is noted and done: no retry mends it, and
        the timer nudges again.

        Raises:
            DynsyncError: the slice could not be worked on; the message comes again.
        """
        try:
            nudge = Nudge.from_json(message)
            with told(self.app.stores.progress, self.app.job(nudge.job), clock=utc_now) as progress:
                job = self.app.slice(nudge.job, progress=progress, stopping=stopping)
        except (ValueError, RefuseError, DefinitionError) as error:
            event(_log, "nudge.refused", level=logging.WARNING, error=type(error).__name__)
            return
        if job.state is JobState.RUNNING:
            self.nudges.send(Nudge(job.id, nudge.slice + 1), later=True)
        elif job.state is not JobState.QUEUED:
            for other in [*self.app.waiting(job.sync)[:1], *self.app.started_by(job)]:
                self.nudges.first(other)


def in_azure(environ: Mapping[str, str]) -> bool:
    """Whether the platform's environment says that the process runs in Azure."""
    return any(environ.get(name) for name in _AZURE)


def open_hosted(environ: Mapping[str, str], *, base: Path) -> Hosted:
    """The product with an app's settings; relative folders begin at `base`.

    Raises:
        DynsyncError: a setting is wrong, or the store cannot be opened.
    """
    settings = Settings.from_environment(environ)
    trust = Trust.told(settings, environ)
    trust.note()
    app = LocalApp(
        state=base / settings.state_folder,
        syncs=base / settings.syncs_folder,
        environ=environ,
        local=trust.developer,
    )
    return Hosted(app, settings, trust, Nudges(bus_of(settings), utc_now))
