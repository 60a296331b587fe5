"""The gate: who calls, and whether they may; every refusal is logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from shared.errors import NotAllowedError, NotFoundError, NotSignedInError
from shared.log import event
from shared.permissions import NEEDS, Caller, Kind, Operation, Scope, Verdict, decide
from shared.values.jobs import Job
from shared.web.call import Request
from shared.web.identity import caller_of
from shared.wiring.hosted import Hosted

_log = logging.getLogger(__name__)
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Gate:
    """Lets calls pass, or says why not."""

    hosted: Hosted
    clock: Callable[[], datetime]

    def caller(self, request: Request, *, form: bool = False) -> Caller:
        """Who sent the request; `form`: it has to be a browser's, from a page of the app itself.

        Raises:
            NotSignedInError: what says so is not believed.
            NotAllowedError: a page of another site made a browser send it, or nothing says that it was one of ours.
        """
        if request.method not in SAFE:
            _refuse_foreign_page(request, self.hosted.settings.app_url, form=form)
        return caller_of(request, self.hosted.trust, self.hosted.settings, self.clock())

    def may(self, caller: Caller, operation: Operation, sync: str | None = None) -> bool:
        """Whether the caller may do it; nothing is logged."""
        permissions = self.hosted.permissions(sync) if sync is not None else None
        return decide(caller, operation, permissions, sync=sync) is Verdict.ALLOWED

    def require(self, caller: Caller, operation: Operation, sync: str | None = None) -> None:
        """Let the caller do it, with a sync where that is asked.

        Raises:
            NotSignedInError, NotAllowedError: they may not.
            NotFoundError: they may not know of the sync, or there is none.
        """
        permissions = self.hosted.permissions(sync) if sync is not None else None
        verdict = decide(caller, operation, permissions, sync=sync)
        if verdict is Verdict.ALLOWED and self._is_gone(caller, sync):
            verdict = Verdict.HIDDEN
        if verdict is Verdict.ALLOWED:
            return
        _note(caller, operation, sync, verdict.value)
        if verdict is Verdict.SIGN_IN:
            raise NotSignedInError("nobody is signed in", remedy="send a token of Entra for this app")
        if verdict is Verdict.HIDDEN:
            raise _hidden(sync)
        raise NotAllowedError(_why(caller, operation), remedy=_remedy(caller, operation))

    def _is_gone(self, caller: Caller, sync: str | None) -> bool:
        """A setting may name a sync for a function key that is gone: whoever has the key learns of no other one."""
        named = caller.kind is Kind.KEY and "*" not in caller.syncs and sync is not None
        return named and sync not in self.hosted.app.recent_names()

    @contextmanager
    def noting(self, caller: Caller, operation: Operation, sync: str | None) -> Iterator[None]:
        """Log what is refused to who may do it, because it leads outside the operator's reach."""
        try:
            yield
        except NotAllowedError:
            _note(caller, operation, sync, "outside the reach")
            raise

    def job(self, caller: Caller, operation: Operation, job_id: str) -> Job:
        """A job of a sync with which the caller may do it. Raises as `require`; no job and a hidden one are alike."""
        if caller.kind is Kind.NOBODY:
            self.require(caller, operation)
        unknown = NotFoundError(f"there is no job {job_id[:80]!r} that you may see")
        job = self.hosted.find_job(job_id)
        if job is None:
            raise unknown
        try:
            self.require(caller, operation, job.sync)
        except NotFoundError:
            raise unknown from None
        return job


def _note(caller: Caller, operation: Operation, sync: str | None, verdict: str) -> None:
    event(
        _log, "call.refused", level=logging.WARNING, operation=operation.value, sync=sync, caller=caller.id or None,
        kind=caller.kind.value, verdict=verdict,
    )  # fmt: skip


def _hidden(sync: str | None) -> NotFoundError:
    return NotFoundError(f"there is no sync {str(sync)[:80]!r} that you may see")


def _why(caller: Caller, operation: Operation) -> str:
    if caller.kind is Kind.KEY:
        return "a function key may start jobs, and nothing else"
    return f"you may not {operation.value}"


def _remedy(caller: Caller, operation: Operation) -> str:
    need = NEEDS[operation]
    wanted = " or ".join(sorted(right.value for right in need.any_of))
    if caller.kind is Kind.KEY:
        return "sign in with an account of Entra"
    if need.scope is Scope.APP:
        return f"it needs the app role {' or '.join(f'dynsync.{right}' for right in sorted(need.any_of))}"
    return f"it needs {wanted}: an administrator gives it by `permissions` in the definition, or by an app role"


def _refuse_foreign_page(request: Request, app_url: str | None, *, form: bool) -> None:
    """A browser says where a page comes from; one of another site may not use the rights of who reads it.

    The app's own pages come from the host that was asked for, or from the address that a setting tells (a front door).
    A form of theirs is sent by a browser, which always says so: where nothing is said, it was none.
    """
    origin = request.headers.get("origin")
    own = {request.host.lower(), urlsplit(app_url or "").netloc.lower()} - {""}
    foreign = origin is not None and _place(origin) not in own
    if foreign or request.headers.get("sec-fetch-site", "") in ("cross-site", "same-site"):
        event(_log, "call.refused", level=logging.WARNING, verdict="another site")
        raise NotAllowedError("a page of another site sent this call; pages of other sites may not")
    if form and origin is None and request.headers.get("sec-fetch-site") != "same-origin":
        event(_log, "call.refused", level=logging.WARNING, verdict="no page")
        raise NotAllowedError(
            "nothing says that a page of this app sent this form",
            remedy="send it from the page, in a browser of the last years; a program calls the API",
        )


def _place(origin: str) -> str:
    """Host and port of an origin; empty when it is none."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
