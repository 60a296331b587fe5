"""Starting jobs: by name for machines with a function key, and under a sync for people and applications."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from shared import temporary
from shared.errors import RequestError
from shared.permissions import Operation
from shared.values.jobs import Job
from shared.web.idempotency import sent_key
from shared.web.routes.forms import StartForm, StartJobForm
from shared.web.routing import Call, Reply, Route
from shared.wiring.starting import Wanted


def start_any(call: Call) -> Reply:
    """Start a job of the sync that the body names."""
    form: StartJobForm = call.body.value
    operation = Operation.PLAN if form.dry_run else Operation.RUN
    call.gate.require(call.caller, operation, form.sync)
    with call.gate.noting(call.caller, operation, form.sync):
        return _started(call, form.sync, form)


def start(call: Call) -> Reply:
    """Start a job of the sync that the path names."""
    return _started(call, call.sync, call.body.value)


def _started(call: Call, sync: str, form: StartForm) -> Reply:
    twice = sorted(form.files.keys() & call.body.files)
    if twice:
        raise RequestError(f"file {twice[0]!r} came both as an address and in the form", status=422, remedy="send one")
    with _saved(call) as files:
        wanted = Wanted(
            sync=sync,
            variables=form.variables,
            files={**form.files, **files},
            started_by=call.caller.name,
            apply=not form.dry_run,
        )
        job = call.hosted.starter.start(wanted, key=_key(call))
    return accepted(call, job)


def accepted(call: Call, job: Job) -> Reply:
    """The answer to what is done later: the job, and where to look at it."""
    return Reply(shown(call, job), 202, {"Location": f"/api/jobs/{job.id}"})


def shown(call: Call, job: Job) -> Job:
    """The job as the caller may see it: of the syncs that led to it, those that they may know of."""
    known = tuple(name for name in job.chain if call.gate.may(call.caller, Operation.SHOW_SYNC, name))
    return job if known == job.chain else replace(job, chain=known)


def _key(call: Call) -> str | None:
    """The caller's own key, together with who they are: two callers never share one."""
    key = sent_key(call.request.headers)
    if key is None:
        return None
    function_key = call.request.headers.get("x-functions-key") or call.request.query.get("code") or ""
    secret = function_key if call.request.key else ""  # the whole text is kept as a digest only
    return "\n".join((call.caller.kind.value, call.caller.id, secret, key))


@contextmanager
def _saved(call: Call) -> Iterator[Mapping[str, Path]]:
    """The files that came with the call, each in a folder of its own under its own name."""
    with temporary.folder("upload") as folder:
        paths: dict[str, Path] = {}
        for number, (name, upload) in enumerate(call.body.files.items()):
            path = folder / str(number) / upload.name
            path.parent.mkdir()
            path.write_bytes(upload.content)
            paths[name] = path
        yield paths


_REFUSES = (409, 413, 415, 503)

ROUTES = [
    Route(
        method="POST", path="/api/jobs", operation=Operation.PLAN, does=start_any, gives=Job, takes=StartJobForm,
        files=True, asks=True, key=True, status=202, refuses=_REFUSES,
        summary="Start a job with a function key: queued, with its id.",
    ),
    Route(
        method="POST", path="/api/syncs/{sync}/jobs", operation=Operation.RUN, does=start, gives=Job, takes=StartForm,
        files=True, status=202, refuses=_REFUSES, summary="Start a job of a sync: queued, with its id.",
    ),
]  # fmt: skip
