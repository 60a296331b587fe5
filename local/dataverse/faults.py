"""Faults that tests put in a request's way: refusals, cut connections, delays, expired tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from urllib.parse import unquote


class FaultKind(StrEnum):
    """What happens to a request that a fault matches."""

    STATUS = "status"
    DROP_BEFORE = "drop_before"
    DROP_AFTER = "drop_after"
    DELAY = "delay"
    EXPIRE_TOKENS = "expire_tokens"


class FaultError(ValueError):
    """A fault is described wrongly."""


@dataclass(slots=True)
class Fault:
    """One fault, for the next `count` requests that it matches (empty = any).

    `method` is exact, `path` a part of path and query (decoded or not), `message` what the log calls it
    (CreateMultiple, RetrieveMultiple, Token …). `status` answers with `status`, `code`, `text`, `headers`
    before any work; `drop_before` cuts the connection before, `drop_after` after the write was committed; `delay`
    waits `delay_s` first; `expire_tokens` ends every token first.
    """

    kind: FaultKind = FaultKind.STATUS
    method: str = ""
    path: str = ""
    message: str = ""
    count: int = 1
    status: int = 503
    code: str = ""
    text: str = "The service is unavailable."
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0

    def matches(self, method: str, path: str, message: str) -> bool:
        """Whether a request is one of those meant."""
        return (
            self.count > 0
            and self.method.upper() in ("", method)
            and (self.path in path or self.path in unquote(path))
            and self.message in ("", message)
        )

    @classmethod
    def of(cls, document: Mapping[str, object]) -> Fault:
        """A fault from JSON.

        Raises:
            FaultError: a member is unknown or of the wrong type.
        """
        known = {f.name for f in fields(cls)}
        unknown = sorted(set(document) - known)
        if unknown:
            raise FaultError(f"unknown {', '.join(unknown)}; allowed: {', '.join(sorted(known))}")
        try:
            kind = FaultKind(str(document.get("kind", "status")))
        except ValueError:
            raise FaultError(f"kind is none of {', '.join(FaultKind)}") from None
        texts = {n: str(document[n]) for n in ("method", "path", "message", "code", "text") if n in document}
        headers = document.get("headers", {})
        numbers = {n: document[n] for n in ("count", "status", "delay_s") if n in document}
        if not isinstance(headers, Mapping) or not all(type(v) in (int, float) for v in numbers.values()):
            raise FaultError("headers is an object of texts; count, status and delay_s are numbers")
        return cls(
            kind,
            **texts,
            count=int(str(numbers.get("count", 1))),
            status=int(str(numbers.get("status", 503))),
            headers={str(k): str(v) for k, v in headers.items()},
            delay_s=float(str(numbers.get("delay_s", 0))),
        )


class Faults:
    """The queue of faults; the first that matches is used up first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Queues a fault."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forgets all faults."""
        self._waiting.clear()

    def take(self, method: str, path: str, message: str) -> Fault | None:
        """The fault for a request, None when there is none."""
        for fault in self._waiting:
            if fault.matches(method, path, message):
                fault.count -= 1
                if fault.count == 0:
                    self._waiting.remove(fault)
                return fault
        return None
