"""How strict and how slow the stand-in is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from local.dataverse import documents
from local.dataverse.documents import STRICT

Share = Annotated[float, Field(gt=0)]
Duration = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one environment. As they stand here they are the service's own, with no simulated time.

    `servers` virtual web servers; per user and server, within `window_s` seconds: `requests`, `execution_s` seconds of
    execution, and `concurrent` at once (None = no such limit). `scale` shrinks the window and what fits into it: 1/60
    makes the five minutes five seconds, with the same rates.

    A call takes `call_ms` + `row_ms` x rows written (`read_row_ms` x rows read, by default the same), + `operation_ms`
    for each further operation of a batch; that long the answer waits, and that counts as execution. One server executes
    at most `capacity` seconds per second, more has to wait for its turn (None = any). While a user is refused, each
    further request lengthens the pause by `pressure_s`. `dop_hint` by default: what the execution limit sustains.

    Source: Microsoft Learn, "Service protection API limits" (2024).
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    servers: Annotated[int, Field(ge=1, le=64)] = 1
    requests: Annotated[int, Field(ge=1)] | None = 6000
    execution_s: Share | None = 1200.0
    concurrent: Annotated[int, Field(ge=1)] | None = 52
    window_s: Share = 300.0
    scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    call_ms: Duration = 0.0
    row_ms: Duration = 0.0
    read_row_ms: Duration | None = None
    operation_ms: Duration = 0.0
    capacity: Share | None = None
    pressure_s: Duration = 1.0
    dop_hint: Annotated[int, Field(ge=1)] | None = None

    @classmethod
    def of(cls, document: object) -> Limits:
        """Limits from JSON or YAML.

        Raises:
            DocumentError: a member is unknown or wrong.
        """
        return documents.read(cls, document, "limits")

    @property
    def window(self) -> float:
        """The window in seconds of this machine."""
        return self.window_s * self.scale

    @property
    def requests_in_window(self) -> int | None:
        """Requests that fit into the window of this machine."""
        return None if self.requests is None else max(1, round(self.requests * self.scale))

    @property
    def execution_in_window(self) -> float | None:
        """Seconds of execution that fit into the window of this machine."""
        return None if self.execution_s is None else self.execution_s * self.scale

    @property
    def hint(self) -> int:
        """The recommended degree of parallelism, over all servers."""
        if self.dop_hint is not None:
            return self.dop_hint
        sustained = 4.0 if self.execution_s is None else self.execution_s / self.window_s
        return max(1, round(sustained * self.servers))

    def service_time(self, rows: int, operations: int, *, reading: bool = False) -> float:
        """Seconds that a call takes; `operations` is 1 outside a batch."""
        row_ms = self.read_row_ms if reading and self.read_row_ms is not None else self.row_ms
        return (self.call_ms + row_ms * rows + self.operation_ms * (operations - 1)) / 1000
