"""Which operations of the table of rights each command stands for; its help tells what a deployed app asks for."""

from __future__ import annotations

from collections.abc import Mapping

from shared.permissions import NEEDS, Operation

COMMANDS: Mapping[str, tuple[Operation, ...]] = {
    "check": (Operation.CHECK,),
    "doctor": (Operation.DIAGNOSE,),
    "role": (Operation.SEE_ROLE,),
    "plan": (Operation.PLAN,),
    "run": (Operation.RUN,),
    "apply": (Operation.APPLY,),
    "undo": (Operation.UNDO,),
    "cancel": (Operation.CANCEL,),
    "jobs": (Operation.LIST_JOBS,),
    "show": (Operation.SHOW_JOB, Operation.SEE_CHANGES, Operation.SEE_STORY),
    "rejects": (Operation.SEE_REJECTS,),
    "replay": (Operation.REPLAY,),
    "schedule": (Operation.LIST_SYNCS,),
    "definition": (
        Operation.SEE_DEFINITION,
        Operation.CHANGE_DEFINITION,
        Operation.CHANGE_GUARDED,
        Operation.CREATE_SYNC,
        Operation.TAKE_SYNC_AWAY,
    ),
    "watermark": (Operation.SEE_WATERMARK, Operation.SET_WATERMARK),
    "listener": (
        Operation.SEE_LISTENER,
        Operation.SWITCH_LISTENER,
        Operation.SKIP_EVENTS,
        Operation.SEE_REJECTS,
        Operation.REPLAY,
    ),
    "publish": (Operation.PUBLISH,),
    "parked": (Operation.SEE_PARKED,),
    "release": (Operation.RELEASE,),
    "redrive": (Operation.SEE_DEAD_LETTERS, Operation.REDRIVE),
}
"""Commands that are not here work on this machine only, and ask nothing of a deployed app."""


def needed(command: str) -> str | None:
    """What a command needs against a deployed app, as a sentence; None when it never asks one."""
    asked = [f"`{operation}` needs {_rights(operation)}" for operation in COMMANDS.get(command, ())]
    return f"Against a deployed app: {'; '.join(asked)}." if asked else None


def _rights(operation: Operation) -> str:
    need = NEEDS[operation]
    rights = " or ".join(sorted(right.value for right in need.any_of))
    return f"{rights} on {need.scope.value}" if rights else "a sign-in and no more"
