"""The error tree, sorted by what the caller does next.

    DynsyncError
    ├── RetryError            try again later
    │   ├── ThrottledError        the service asked us to wait
    │   ├── UnavailableError      no answer, or an answer that says "not now"
    │   └── MovedError            the row changed since it was read
    ├── RejectError           this record is set aside; its neighbours go on
    ├── FailError             this job ends; nothing more is written
    │   ├── DefinitionError       the definition has problems (all of them are listed)
    │   ├── SourceError           the source cannot be read, or not to its end
    │   ├── AuthenticationError   credentials refused
    │   ├── DestinationError      Dataverse refused something that no retry mends
    │   │   └── UnknownTableError     it has no such table, or several
    │   ├── StateError            the job store cannot be read or written
    │   ├── StaleLeaseError       another start took the sync over; this one may change nothing more
    │   └── CancelledError        somebody asked the job to stop
    └── RefuseError           the request itself is refused; nothing was started
        ├── RequestError          the call cannot be understood; `status` says how
        ├── NotSignedInError      nobody knows who calls
        ├── NotAllowedError       rights or reach
        ├── AlreadyRunningError   another job of this sync holds the lease
        ├── StaleDefinitionError  somebody else changed the definition first
        ├── TransitionError       the job's state does not allow that
        ├── NotBuiltError         the definition uses a part that does not run yet
        └── NotFoundError         no such sync, job, row

Every message says what was found, what is allowed, where, and what to do. Messages never hold a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.values.problems import Problem


class DynsyncError(Exception):
    """The root: an error that this project raises on purpose. `remedy` is what to do, where it is told apart."""

    def __init__(self, found: str = "", *, remedy: str = "") -> None:
        super().__init__(f"{found}; {remedy}" if remedy else found)
        self.found = found
        self.remedy = remedy


class RetryError(DynsyncError):
    """The same call may succeed later."""


class ThrottledError(RetryError):
    """The service asked for a pause of `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnavailableError(RetryError):
    """No answer, or one that says "not now". `maybe_done`: the request may have been carried out."""

    def __init__(self, message: str, *, maybe_done: bool = False) -> None:
        super().__init__(message)
        self.maybe_done = maybe_done


class MovedError(RetryError):
    """The row changed since it was read."""


class RejectError(DynsyncError):
    """One record cannot be synced; the others go on."""


class FailError(DynsyncError):
    """The job ends here."""


class DefinitionError(FailError):
    """A definition with problems; all of them, not only the first."""

    def __init__(self, sync: str, problems: Sequence[Problem]) -> None:
        self.sync = sync
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        where = sync if sync.endswith(".yaml") else f"sync {sync!r}"
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{where} has {count}:\n{lines}")


class SourceError(FailError):
    """The source cannot be read, or not to its end."""


class AuthenticationError(FailError):
    """Credentials were refused, or the identity may not do this."""


class DestinationError(FailError):
    """Dataverse refused something that no retry mends. `code` is Dataverse's own, when it gave one."""

    def __init__(self, found: str, *, remedy: str = "", code: str | None = None, request_id: str | None = None) -> None:
        super().__init__(found, remedy=remedy)
        self.code = code
        self.request_id = request_id


class UnknownTableError(DestinationError):
    """The environment has no table of this name, or several; `remedy` names the nearest."""


class StateError(FailError):
    """The job store cannot be read or written."""


class StaleLeaseError(FailError):
    """The lease was lost: another start of the sync may be at work, so nothing more is sent and nothing is stored."""


class CancelledError(FailError):
    """Somebody asked the job to stop."""


class RefuseError(DynsyncError):
    """The request is refused; nothing was started."""


class RequestError(RefuseError):
    """The call itself is wrong, whatever it asks for. `status` is HTTP's word for how; `problems` are all of them."""

    def __init__(self, found: str, *, status: int, remedy: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(found, remedy=remedy)
        self.status = status
        self.problems = tuple(problems)


class NotSignedInError(RefuseError):
    """Nobody knows who calls."""


class NotAllowedError(RefuseError):
    """Outside the caller's rights or the operator's reach."""


class AlreadyRunningError(RefuseError):
    """Another job of this sync is running."""


class StaleDefinitionError(RefuseError):
    """The definition was changed by somebody else since it was read."""


class TransitionError(RefuseError):
    """A job's state does not lead to the state that was asked for."""


class NotBuiltError(RefuseError):
    """The definition uses a part that does not run yet."""


class NotFoundError(RefuseError):
    """There is no such thing."""
