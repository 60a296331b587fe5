"""Who may do what: one table of operations and the rights they need, and the rights that a caller has.

Rights belong to a sync: `admin` implies the other three, `write` and `execute` imply `read`. Groups and app roles get
them by the sync's `permissions`; the four app-wide roles have them for every sync. The page, the API and the command
line ask this table and no other. Drawn in docs/permissions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the command line needs the table, and not the models of definitions
    from shared.definitions.permissions import Permissions


class Right(StrEnum):
    """What may be done with one sync."""

    ADMIN = "admin"
    WRITE = "write"
    EXECUTE = "execute"
    READ = "read"


IMPLIED: Mapping[Right, frozenset[Right]] = {
    Right.ADMIN: frozenset(Right),
    Right.WRITE: frozenset({Right.WRITE, Right.READ}),
    Right.EXECUTE: frozenset({Right.EXECUTE, Right.READ}),
    Right.READ: frozenset({Right.READ}),
}
"""Every right with those that it brings."""

APP_ROLES: Mapping[str, Right] = {f"dynsync.{right}": right for right in Right}
"""The four app roles of the registration in Entra, each a right for every sync."""


class Kind(StrEnum):
    """What a caller is."""

    NOBODY = "nobody"
    PERSON = "person"
    APPLICATION = "application"
    KEY = "function key"
    DEVELOPER = "developer"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls. `name` is for people and stands with the jobs they start; `id` tells callers apart.

    `groups` are Entra groups and app roles. `syncs` are those that a function key may start (`*`: every one).
    """

    kind: Kind
    name: str = ""
    id: str = ""
    groups: frozenset[str] = frozenset()
    syncs: frozenset[str] = frozenset()


NOBODY = Caller(Kind.NOBODY, "nobody")


class Scope(StrEnum):
    """What an operation's right is asked of: nothing, the app as a whole, or one sync (perhaps by its job)."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"
    APP = "the app"
    SYNC = "the sync"


class Operation(StrEnum):
    """What can be done, by page, API and command line; in the words of the command line."""

    SEE_HEALTH = "see that the app is up"
    SEE_API = "see how the API is called"
    SEE_ASSETS = "load the style and scripts of the pages"
    SEE_HEALTH_PARTS = "see the health of every part"
    LIST_SYNCS = "list syncs"
    SHOW_SYNC = "show a sync"
    CHECK = "check a sync"
    TEST_CONNECTION = "test a sync's connections"
    SEE_SOURCE = "see the columns of a sync's source"
    SEE_DESTINATION = "see the columns of a sync's table"
    DIAGNOSE = "look for what stands in a sync's way"
    SEE_ROLE = "see the role that syncs need"
    LIST_JOBS = "list jobs"
    SHOW_JOB = "show a job"
    SEE_CHANGES = "see the changes of a plan"
    SEE_REJECTS = "see rejects"
    SEE_REPORT = "see a job's report"
    SEE_STORY = "see what became of a record"
    PLAN = "plan"
    RUN = "run"
    APPLY = "apply"
    CANCEL = "cancel"
    UNDO = "undo"
    REPLAY = "replay"
    SEE_WATERMARK = "see a sync's watermark"
    SET_WATERMARK = "set a sync's watermark"
    SEE_LISTENER = "see how a listener fares"
    PUBLISH = "publish events"
    SWITCH_LISTENER = "switch a listener on or off"
    SKIP_EVENTS = "skip events sent before a time"
    SEE_PARKED = "see parked events"
    RELEASE = "release parked events"
    SEE_DEAD_LETTERS = "see dead letters"
    REDRIVE = "put dead letters back"
    LIST_SECRETS = "list secrets"
    SET_SECRET = "set a secret"  # noqa: S105 - what is done, no password
    SEE_DEFINITION = "see a definition"
    CHANGE_DEFINITION = "change a definition"
    CHANGE_GUARDED = "change a definition's secrets, addresses, steps after it or permissions"
    CREATE_SYNC = "create a sync"
    TAKE_SYNC_AWAY = "take a sync away"


@dataclass(frozen=True, slots=True)
class Need:
    """What an operation asks for: one of these rights, of what its scope says."""

    scope: Scope
    any_of: frozenset[Right] = frozenset()


def _of_sync(*rights: Right) -> Need:
    return Need(Scope.SYNC, frozenset(rights))


NEEDS: Mapping[Operation, Need] = {
    Operation.SEE_HEALTH: Need(Scope.ANYBODY),
    Operation.SEE_API: Need(Scope.ANYBODY),
    Operation.SEE_ASSETS: Need(Scope.ANYBODY),
    Operation.SEE_HEALTH_PARTS: Need(Scope.APP, frozenset({Right.READ})),
    Operation.LIST_SYNCS: Need(Scope.SIGNED_IN),
    Operation.SHOW_SYNC: _of_sync(Right.READ),
    Operation.CHECK: _of_sync(Right.WRITE, Right.EXECUTE),
    Operation.TEST_CONNECTION: _of_sync(Right.WRITE, Right.EXECUTE),
    Operation.SEE_SOURCE: _of_sync(Right.WRITE, Right.EXECUTE),
    Operation.SEE_DESTINATION: _of_sync(Right.WRITE, Right.EXECUTE),
    Operation.DIAGNOSE: _of_sync(Right.WRITE, Right.EXECUTE),
    Operation.SEE_ROLE: _of_sync(Right.WRITE, Right.EXECUTE),
    Operation.LIST_JOBS: Need(Scope.SIGNED_IN),
    Operation.SHOW_JOB: _of_sync(Right.READ),
    Operation.SEE_CHANGES: _of_sync(Right.READ),
    Operation.SEE_REJECTS: _of_sync(Right.READ),
    Operation.SEE_REPORT: _of_sync(Right.READ),
    Operation.SEE_STORY: _of_sync(Right.READ),
    Operation.PLAN: _of_sync(Right.EXECUTE),
    Operation.RUN: _of_sync(Right.EXECUTE),
    Operation.APPLY: _of_sync(Right.EXECUTE),
    Operation.CANCEL: _of_sync(Right.EXECUTE),
    Operation.UNDO: _of_sync(Right.EXECUTE),
    Operation.REPLAY: _of_sync(Right.EXECUTE),
    Operation.SEE_WATERMARK: _of_sync(Right.READ),
    Operation.SET_WATERMARK: _of_sync(Right.EXECUTE),
    Operation.SEE_LISTENER: _of_sync(Right.READ),
    Operation.PUBLISH: _of_sync(Right.EXECUTE),
    Operation.SWITCH_LISTENER: _of_sync(Right.EXECUTE),
    Operation.SKIP_EVENTS: _of_sync(Right.EXECUTE),
    Operation.SEE_PARKED: _of_sync(Right.READ),
    Operation.RELEASE: _of_sync(Right.EXECUTE),
    Operation.SEE_DEAD_LETTERS: Need(Scope.APP, frozenset({Right.READ})),
    Operation.REDRIVE: Need(Scope.APP, frozenset({Right.EXECUTE})),
    Operation.LIST_SECRETS: Need(Scope.APP, frozenset({Right.ADMIN})),
    Operation.SET_SECRET: Need(Scope.APP, frozenset({Right.ADMIN})),
    Operation.SEE_DEFINITION: _of_sync(Right.READ),
    Operation.CHANGE_DEFINITION: _of_sync(Right.WRITE),
    Operation.CHANGE_GUARDED: _of_sync(Right.ADMIN),
    Operation.CREATE_SYNC: Need(Scope.APP, frozenset({Right.ADMIN})),
    Operation.TAKE_SYNC_AWAY: Need(Scope.APP, frozenset({Right.ADMIN})),
}
"""Every operation and what it needs. A list that needs no right of its own holds only what the caller may read."""


class Verdict(StrEnum):
    """What becomes of a call. `HIDDEN`: the caller does not learn that the sync exists."""

    ALLOWED = "allowed"
    SIGN_IN = "sign in"
    FORBIDDEN = "forbidden"
    HIDDEN = "hidden"


def rights(caller: Caller, permissions: Permissions | None, *, sync: str | None = None) -> frozenset[Right]:
    """The caller's rights with a sync; without one, over the whole app.

    `permissions` are the sync's; None when there is no such sync, or its definition cannot be read.
    """
    if caller.kind is Kind.DEVELOPER:
        return frozenset(Right)
    if caller.kind is Kind.KEY:
        granted = sync is not None and bool(caller.syncs & {sync, "*"})
        return IMPLIED[Right.EXECUTE] if granted else frozenset()
    if caller.kind is Kind.NOBODY:
        return frozenset()
    held = {APP_ROLES[group] for group in caller.groups if group in APP_ROLES}
    if permissions is not None:
        held |= {right for right in Right if caller.groups.intersection(getattr(permissions, right.value))}
    return frozenset().union(*(IMPLIED[right] for right in held))


def decide(
    caller: Caller, operation: Operation, permissions: Permissions | None = None, *, sync: str | None = None
) -> Verdict:
    """Whether the caller may do it; of one sync where the operation's scope is a sync."""
    need = NEEDS[operation]
    if need.scope is Scope.ANYBODY:
        return Verdict.ALLOWED
    if caller.kind is Kind.NOBODY:
        return Verdict.SIGN_IN
    if need.scope is Scope.SIGNED_IN:
        return Verdict.FORBIDDEN if caller.kind is Kind.KEY else Verdict.ALLOWED
    held = rights(caller, permissions, sync=sync) if need.scope is Scope.SYNC else rights(caller, None)
    if held & need.any_of:
        return Verdict.ALLOWED
    return Verdict.HIDDEN if need.scope is Scope.SYNC and Right.READ not in held else Verdict.FORBIDDEN
