"""The words of the command line, spoken to a deployed app."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from shared.cli.remote.definitions import RemoteDefinitions
from shared.cli.remote.events import RemoteEvents
from shared.cli.remote.line import Line
from shared.errors import DefinitionError, NotAllowedError, NotFoundError, RefuseError, UnavailableError
from shared.ports import ProgressListener
from shared.values.cases import ANY, Case, Choice
from shared.values.changes import Action
from shared.values.jobs import Job, JobState
from shared.values.looks import SourceSample
from shared.values.plans import PlannedChange
from shared.values.problems import Problem
from shared.values.records import Reject
from shared.values.rights import Finding, Role
from shared.values.schedules import Upcoming
from shared.values.secrets import SecretEntry
from shared.values.stories import RecordStory
from shared.values.tables import Table
from shared.values.watermarks import Watermark
from shared.web.routes.cases import CasesPage
from shared.web.routes.environments import FindingsView, RolesView
from shared.web.routes.forms import MOST
from shared.web.routes.jobs import ChangesPage, JobsPage, RejectsPage, StoriesView
from shared.web.routes.syncs import CheckView, SchedulesView, SyncsView, WatermarkView

LOOK_EVERY_S = 2.0
TRIES = 5
AT_WORK = (JobState.QUEUED, JobState.RUNNING)


class RemoteApp:
    """A deployed app. Who starts a job there is who has signed in; `started_by` counts on one's own machine only."""

    def __init__(
        self,
        line: Line,
        *,
        sleep: Callable[[float], None] = time.sleep,
        new_key: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._line = line
        self._sleep = sleep
        self._new_key = new_key

    def sync_names(self) -> list[str]:
        """The names of the definitions that the caller may see, broken ones too."""
        return [sync.name for sync in self._syncs().syncs]

    def broken(self) -> Mapping[str, DefinitionError]:
        """Definitions that cannot be used, and why."""
        return {sync.name: DefinitionError(sync.name, sync.problems) for sync in self._syncs().syncs if sync.problems}

    def _syncs(self) -> SyncsView:
        return self._line.ask(SyncsView, "GET", "syncs")

    def check(self, sync: str) -> list[Problem]:
        """Everything that is wrong with the definition as it is deployed."""
        return self._line.ask(CheckView, "POST", "syncs", sync, "check").problems

    def start(
        self,
        sync: str,
        *,
        variables: Mapping[str, str],
        files: Mapping[str, Path],
        started_by: str,
        progress: ProgressListener,
        apply: bool,
    ) -> Job:
        """A new job, watched to its end, or until it waits."""
        job = self.queue(sync, variables=variables, files=files, started_by=started_by, apply=apply)
        return self._watched(job)

    def queue(
        self, sync: str, *, variables: Mapping[str, str], files: Mapping[str, Path], started_by: str, apply: bool
    ) -> Job:
        """A new job that waits for its turn. An answer that is lost on its way is asked for again, under one key."""
        body = {"variables": dict(variables), "dry_run": not apply}
        headers = {"Idempotency-Key": self._new_key()}
        return self._patiently(
            lambda: self._line.ask(Job, "POST", "syncs", sync, "jobs", body=body, files=files, headers=headers)
        )

    def _watched(self, job: Job) -> Job:
        while job.state in AT_WORK:
            self._sleep(LOOK_EVERY_S)
            job = self._patiently(partial(self._line.ask, Job, "GET", "jobs", job.id))
        return job

    def _patiently(self, ask: Callable[[], Job]) -> Job:
        """An answer that a network or an app that starts anew keeps back is asked for again, a few times."""
        for _ in range(TRIES - 1):
            try:
                return ask()
            except UnavailableError:
                self._sleep(LOOK_EVERY_S)
        return ask()

    def apply(self, job_id: str, *, started_by: str, progress: ProgressListener) -> Job:
        """Carry out the plan of a job that waits; watched to its end."""
        return self._watched(self._line.ask(Job, "POST", "jobs", self._id(job_id), "apply"))

    def undo(self, job_id: str, *, started_by: str, progress: ProgressListener, apply: bool) -> Job:
        """Take a job's changes back, by a job of its own; watched to its end, or until it waits."""
        body = {"dry_run": not apply}
        return self._watched(self._line.ask(Job, "POST", "jobs", self._id(job_id), "undo", body=body))

    def replay(self, target: str, choice: Choice, *, started_by: str, progress: ProgressListener, apply: bool) -> Job:
        """Run open rejects of a sync, or of a job, again; watched to its end, or until it waits."""
        body = {"cause": choice.cause, "keys": list(choice.keys), "dry_run": not apply}
        return self._watched(self._line.ask(Job, "POST", *self._target(target), "replay", body=body))

    def open_rejects(self, target: str, choice: Choice = ANY) -> Iterator[Case]:
        """The open rejects of a sync, or those that a job set aside."""
        of = self._target(target)
        path = (*of, "rejects") if of[0] == "syncs" else (*of, "rejects", "open")
        for key in choice.keys or (None,):  # the app compares it as the server does
            after: int | None = 0
            while after is not None:
                query = {"cause": choice.cause, "key": key, "after": after, "limit": MOST}
                page = self._line.ask(CasesPage, "GET", *path, query=query)
                yield from page.cases
                after = page.after

    def _target(self, target: str) -> tuple[str, str]:
        """A sync by its name, or a job by its id or a beginning of it, as the API's path has it."""
        return ("syncs", target) if target in self.sync_names() else ("jobs", self._id(target))

    def upcoming(self) -> list[Upcoming]:
        """Every sync that has a schedule, with its next times."""
        return self._line.ask(SchedulesView, "GET", "schedules").schedules

    def cancel(self, job_id: str, *, by: str) -> Job:
        """Stop a job: a running one stops within one batch, one that waits is cancelled at once."""
        return self._line.ask(Job, "POST", "jobs", self._id(job_id), "cancel")

    def jobs(self, *, sync: str | None = None, limit: int = 20) -> list[Job]:
        """The newest first."""
        found: list[Job] = []
        before: object = None
        while len(found) < limit:
            query = {"sync": sync, "limit": min(limit - len(found), MOST), "before": before}
            page = self._line.ask(JobsPage, "GET", "jobs", query=query)
            found += page.jobs
            if page.before is None:
                break
            before = page.before.isoformat()
        return found[:limit]

    def job(self, job_id: str) -> Job:
        """One job, by its id or a beginning that only it has."""
        return self._line.ask(Job, "GET", "jobs", self._id(job_id))

    def _id(self, beginning: str) -> str:
        alike = self._line.ask(JobsPage, "GET", "jobs", query={"beginning": beginning, "limit": 6}).jobs
        if any(job.id == beginning for job in alike) or not alike:
            return beginning
        if len(alike) > 1:
            names = ", ".join(job.id for job in alike[:5]) + (" …" if len(alike) > 5 else "")
            raise NotFoundError(f"several jobs begin with {beginning!r}: {names}; give more of the id")
        return alike[0].id

    def plan_sample(
        self, job_id: str, *, limit: int, actions: Sequence[Action] | None = None, key: str | None = None
    ) -> list[PlannedChange]:
        """The first changes of the plan; of some actions, or of one key, when asked."""
        found: list[PlannedChange] = []
        after: int | None = 0
        while after is not None and len(found) < limit:
            query = {
                "action": ",".join(actions or ()), "key": key, "after": after, "limit": min(limit - len(found), MOST),
            }  # fmt: skip
            page = self._line.ask(ChangesPage, "GET", "jobs", self._id(job_id), "changes", query=query)
            found += page.changes
            after = page.after
        return found

    def export_plan(self, job_id: str, path: Path) -> int:
        """Write the whole plan to a CSV, JSON lines or Parquet file, by its suffix; returns the changes written."""
        job = self.job(job_id)
        suffix = path.suffix.lower().removeprefix(".")
        content = self._line.text("GET", "jobs", job.id, "plan", query={"format": suffix})
        try:
            path.write_bytes(content)
        except OSError as error:
            raise RefuseError(f"{path} cannot be written ({error.strerror}); name another file") from None
        return sum(job.planned.values())

    def rejects(self, job_id: str, *, limit: int | None = None) -> Iterator[Reject]:
        """The job's rejects, by row."""
        job, left, after = self._id(job_id), limit, 0
        while left is None or left > 0:
            query = {"after": after, "limit": MOST if left is None else min(left, MOST)}
            page = self._line.ask(RejectsPage, "GET", "jobs", job, "rejects", query=query)
            yield from (one.reject for one in page.rejects)
            if page.after is None:
                return
            after, left = page.after, None if left is None else left - len(page.rejects)

    def stories(
        self, key: str, *, job_id: str | None = None, sync: str | None = None, limit: int = 20
    ) -> list[RecordStory]:
        """What a job did to the record with a key, or what the last jobs of a sync did to it, the newest first."""
        if job_id is not None:
            view = self._line.ask(StoriesView, "GET", "jobs", self._id(job_id), "stories", query={"key": key})
        elif sync is not None:
            query = {"key": key, "limit": min(limit, 100)}
            view = self._line.ask(StoriesView, "GET", "syncs", sync, "stories", query=query)
        else:
            raise RefuseError("a deployed app is asked for the records of one sync; name it with --sync")
        return [story.value() for story in view.stories]

    def watermark(self, sync: str) -> Watermark | None:
        """How far an incremental sync has read its source; None: the next run reads all."""
        return self._line.ask(WatermarkView, "GET", "syncs", sync, "watermark").value()

    def set_watermark(self, sync: str, text: str | None, *, dry: bool = False) -> Watermark | None:
        """Put the watermark there; None takes it away. `dry`: only say what it would be."""
        body = {"watermark": text, **({"dry_run": True} if dry else {})}
        return self._line.ask(WatermarkView, "PUT", "syncs", sync, "watermark", body=body).value()

    def findings(self, sync: str) -> list[Finding]:
        """What stands in the way of the sync in its environment, as the app finds it with its own credentials."""
        return self._line.ask(FindingsView, "POST", "syncs", sync, "doctor").findings

    def roles(self, syncs: Sequence[str], *, undo: bool) -> list[Role]:
        """The least-privilege role of each environment that these syncs (none named: all of the caller's) write to."""
        return self._line.ask(RolesView, "POST", "role", body={"syncs": list(syncs), "undo": undo}).roles

    @property
    def events(self) -> RemoteEvents:
        """The words about real time."""
        return RemoteEvents(self._line)

    @property
    def definitions(self) -> RemoteDefinitions:
        """The words about definitions."""
        return RemoteDefinitions(self._line)

    # ---- what stays on one's own machine

    def secret_place(self) -> str:
        """Nothing: a deployed app gives no secrets away, and takes none."""
        return _local("secrets are kept in the app's key vault: set DYNSYNC_KEY_VAULT_URL here instead of --app")

    def secret_entries(self) -> list[SecretEntry]:
        """See `secret_place`."""
        return _local("secrets are kept in the app's key vault: set DYNSYNC_KEY_VAULT_URL here instead of --app")

    def set_secret(self, name: str, read: Callable[[], str]) -> None:
        """See `secret_place`."""
        _local("secrets are kept in the app's key vault: set DYNSYNC_KEY_VAULT_URL here instead of --app")

    def table(self, sync: str, destination: Mapping[str, object]) -> Table:
        """Nothing: definitions are written on one's own machine."""
        return _local("definitions are written on your own machine; leave --app out")

    def sample(self, sync: str, source: Mapping[str, object]) -> SourceSample:
        """See `table`."""
        return _local("definitions are written on your own machine; leave --app out")


def _local(why: str) -> NoReturn:
    raise NotAllowedError(f"this cannot be done through a deployed app: {why}")
