"""Every error as a problem document (RFC 9457), from the one error tree."""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, Field

from shared.errors import (
    AlreadyRunningError,
    AuthenticationError,
    CancelledError,
    DefinitionError,
    DestinationError,
    DynsyncError,
    FailError,
    NotAllowedError,
    NotBuiltError,
    NotFoundError,
    NotSignedInError,
    RefuseError,
    RejectError,
    RequestError,
    RetryError,
    SourceError,
    StaleDefinitionError,
    StaleLeaseError,
    StateError,
    ThrottledError,
    TransitionError,
)
from shared.web.call import Answer

CONTENT_TYPE = "application/problem+json"
_PREFIX = "urn:dynsync:problem:"


class FoundProblem(BaseModel):
    """One thing that is wrong, and where."""

    path: str
    found: str
    remedy: str = ""


class ProblemDocument(BaseModel):
    """Why a call was refused or failed (RFC 9457). `detail` says what was found and what to do."""

    type: Annotated[str, Field(description="Names the kind of problem.", pattern=f"^{_PREFIX}[a-z-]+$")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str
    problems: Annotated[list[FoundProblem], Field(description="All that is wrong, where there is more to say.")] = []


STATUSES: Mapping[type[DynsyncError], tuple[int, str]] = {
    NotSignedInError: (401, "Not signed in"),
    NotAllowedError: (403, "Not allowed"),
    NotFoundError: (404, "Not found"),
    AlreadyRunningError: (409, "Already running"),
    StaleDefinitionError: (412, "The definition has changed"),
    TransitionError: (409, "The job's state does not allow that"),
    NotBuiltError: (409, "The definition uses a part that does not run yet"),
    DefinitionError: (409, "The definition has problems"),
    StaleLeaseError: (409, "Another start took the sync over"),
    CancelledError: (409, "Cancelled"),
    RequestError: (400, "The call cannot be understood"),
    RefuseError: (422, "Refused"),
    RejectError: (422, "Refused"),
    SourceError: (502, "The source cannot be read"),
    AuthenticationError: (502, "Another system refused the app's sign-in"),
    DestinationError: (502, "Dataverse refused"),
    StateError: (503, "The job store cannot be used"),
    FailError: (502, "It failed"),
    ThrottledError: (503, "Another system asks for a pause"),
    RetryError: (503, "Not now"),
    DynsyncError: (500, "An error"),
}
"""The status and title of every branch of the error tree; the nearest ancestor in the table counts."""

_OF_REQUESTS = {
    405: ("method", "No such method here"),
    413: ("too-large", "Too large"),
    415: ("media-type", "A form that is not taken"),
    422: ("invalid", "The call holds what is not allowed"),
    428: ("precondition", "The call does not say what it changes"),
}
"""Name and title of a wrong call, by its status."""
RETRY_AFTER_S = 10
UNEXPECTED = "an unexpected error, which is a fault of the program; the log tells more"


def problem(error: DynsyncError) -> Answer:
    """The answer that tells an error."""
    document = told(error)
    return _answer(document, headers_of(error, document.status))


def told(error: DynsyncError) -> ProblemDocument:
    """An error in the words of a problem document."""
    kind = next(each for each in type(error).__mro__ if each in STATUSES)
    status, title = STATUSES[kind]
    name = _name(type(error))
    if isinstance(error, RequestError):
        status = error.status
        name, title = _OF_REQUESTS.get(status, (name, title))
    document = ProblemDocument(type=_PREFIX + name, title=title, status=status, detail=str(error))
    if isinstance(error, DefinitionError | RequestError):
        found = [FoundProblem(path=one.path, found=one.found, remedy=one.remedy) for one in error.problems]
        document = document.model_copy(update={"problems": found})
    return document


def unexpected() -> Answer:
    """The answer when the program itself is at fault; says nothing of what went on."""
    title = "A fault of the program"
    return _answer(ProblemDocument(type=f"{_PREFIX}unexpected", title=title, status=500, detail=UNEXPECTED), {})


def place_of(error: Exception) -> str | None:
    """Where in the program a fault is, for the log; its message may hold a field's value, so it is not told."""
    places = traceback.extract_tb(error.__traceback__)
    return f"{places[-1].filename}:{places[-1].lineno}" if places else None


def _answer(document: ProblemDocument, headers: Mapping[str, str]) -> Answer:
    return Answer(document.status, document.model_dump_json().encode(), CONTENT_TYPE, headers)


def _name(kind: type[Exception]) -> str:
    """`NotAllowedError` as `not-allowed`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__.removesuffix("Error")).lower()


def headers_of(error: DynsyncError, status: int) -> dict[str, str]:
    """When to come again, where an error tells."""
    if isinstance(error, ThrottledError):
        return {"Retry-After": str(max(1, round(error.retry_after_s)))}
    return {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
