"""What a fault is: what happens, to which requests, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from local.dataverse import documents
from local.dataverse.documents import STRICT


class FaultKind(StrEnum):
    """What happens to a request that a fault matches."""

    STATUS = "status"
    """Answered with `status`, `code`, `text` and `headers` before any work (429, 502, 503, 504 …)."""
    DROP_BEFORE = "drop_before"
    """The connection is cut before any work."""
    DROP_DURING = "drop_during"
    """Cut in the midst: of a batch the first half of the operations stays done; anything else is rolled back."""
    DROP_AFTER = "drop_after"
    """Cut after the work was committed, before the answer."""
    DROP_ANSWER = "drop_answer"
    """Cut after the work was committed and half of the answer was sent."""
    LATE = "late"
    """Cut at once; the work is done `delay_s` later."""
    DELAY = "delay"
    """The work begins `delay_s` later."""
    SLOW_HEADERS = "slow_headers"
    """The work is done at once, the answer begins `delay_s` later."""
    SLOW_BODY = "slow_body"
    """The headers come at once, the body piece by piece over `delay_s`."""
    DEADLOCK = "deadlock"
    """0x80044150 with Sql Number 1205; nothing was written."""
    SQL_TIMEOUT = "sql_timeout"
    """0x80044151 with Sql Number -2; nothing was written. Use `larger_than` for large batches only."""
    EXPIRE_TOKENS = "expire_tokens"
    """Every token ends, also that of this request."""
    USER_DISABLED = "user_disabled"
    """403 0x80040225."""
    NOT_MEMBER = "not_member"
    """403 0x80072560."""
    PRIVILEGE = "privilege"
    """403 0x80040220: the user lacks the privilege that the message needs (or only the one that `privilege` names)."""
    COLUMN_SECURITY = "column_security"
    """The user may not write `column` (403 0x8004f507) and reads null in it."""
    TRUNCATED = "truncated"
    """The answer ends in the middle of its JSON, with a fitting length."""
    REPEATED_LINK = "repeated_link"
    """The page's next link leads to the page itself."""
    CONTENT_TYPE = "content_type"
    """The answer claims to be HTML."""
    HTML = "html"
    """A page of HTML with `status` (200 unless given) instead of an answer, before any work."""


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, for `count` of the requests that it matches (None = all of them), from the `nth` match on.

    A request matches when all that is given fits: `method`, `message` (what the log calls it: CreateMultiple,
    RetrieveMultiple, Token …) and `table` (logical name) exactly, `path` as a part of path and query (decoded or not),
    `user` (a client id), `larger_than` (more targets or operations than that), and then with `probability`, drawn
    from `seed`. A refusal also finds its way into a batch, to the operation that it matches.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    kind: FaultKind = FaultKind.STATUS
    method: str = ""
    path: str = ""
    message: str = ""
    count: Annotated[int, Field(ge=1)] | None = 1
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    code: str = ""
    text: str = ""
    headers: Mapping[HeaderName, str] = field(default_factory=dict)
    delay_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    table: str = ""
    user: str = ""
    privilege: str = ""
    column: str = ""
    larger_than: Annotated[int, Field(ge=0)] | None = None
    nth: Annotated[int, Field(ge=1)] = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    seed: int = 0

    @classmethod
    def of(cls, document: object) -> Fault:
        """A fault from JSON or YAML.

        Raises:
            DocumentError: a member is unknown or wrong.
        """
        return documents.read(cls, document, "fault")
