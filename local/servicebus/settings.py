"""The queues of a namespace, from YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from local.servicebus.refusals import DocumentError

STANDARD_BYTES = 256 * 1024
"""What a message may weigh on the Standard tier. Source: "Service Bus quotas" (Microsoft Learn, 2025)."""

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False)
_Seconds = Annotated[float, Field(gt=0, le=7 * 86400)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,258}[A-Za-z0-9_])?$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    """One queue: the service's own settings, with its defaults; times in seconds.

    `ttl_s` is the queue's time to live (None: messages live on). `duplicates_s` is the window of duplicate detection
    (None: off).
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    max_delivery_count: Annotated[int, Field(ge=1, le=2000)] = 10
    lock_s: Annotated[float, Field(gt=0, le=300)] = 60.0
    ttl_s: Annotated[float, Field(gt=0)] | None = None
    dead_letter_expired: bool = False
    sessions: bool = False
    duplicates_s: _Seconds | None = None
    max_size_bytes: Annotated[int, Field(ge=1024, le=100 * 1024 * 1024)] = STANDARD_BYTES

    @property
    def lock_ms(self) -> int:
        """How long a lock lasts."""
        return _ms(self.lock_s)

    @property
    def ttl_ms(self) -> int | None:
        """The queue's time to live."""
        return None if self.ttl_s is None else _ms(self.ttl_s)

    @property
    def duplicates_ms(self) -> int | None:
        """The window of duplicate detection."""
        return None if self.duplicates_s is None else _ms(self.duplicates_s)


@dataclass(frozen=True, slots=True)
class NamespaceSettings:
    """The queues by name."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    queues: Annotated[Mapping[_Name, QueueSettings], Field(min_length=1)] = field(default_factory=dict)


def default() -> NamespaceSettings:
    """The queues that Dynamics Sync uses."""
    return read(Path(__file__).with_name("queues.yaml"))


def read(path: Path) -> NamespaceSettings:
    """The queues of a file.

    Raises:
        DocumentError: it cannot be read, or a part of it is not as described; every problem is named.
    """
    try:
        document: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as cause:
        raise DocumentError(f"{path}: cannot be read as YAML: {cause}") from cause
    return of(document, str(path))


def of(document: object, where: str) -> NamespaceSettings:
    """The queues of a document; `where` begins the message of an error.

    Raises:
        DocumentError: a part of it is not as described.
    """
    try:
        found = TypeAdapter(NamespaceSettings).validate_python(document)
    except ValidationError as problems:
        raise DocumentError(f"{where}: {'; '.join(map(_told, problems.errors(include_url=False)))}") from None
    lowered = [name.lower() for name in found.queues]
    twice = sorted({name for name in lowered if lowered.count(name) > 1})
    if twice:
        raise DocumentError(f"{where}: queues: {', '.join(twice)} stands twice; case does not tell queues apart")
    return found


def _told(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _ms(seconds: float) -> int:
    return timedelta(seconds=seconds) // timedelta(milliseconds=1)
