"""`host.json`, read strictly: what the real host would pass over in silence is told here.

Source: Microsoft Learn, "host.json reference for Azure Functions 2.x and later" and "Azure Service Bus bindings for
Azure Functions" (2025).
"""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from local.host.refusals import HostError

_SPAN = re.compile(r"(?:(\d{1,4})\.)?([01]?\d|2[0-3]):([0-5]\d):([0-5]\d)")
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}


def _span(value: object) -> timedelta:
    found = _SPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError('is no time span; write "hh:mm:ss", for example "00:05:00"')
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def _timeout(value: object) -> timedelta | None:
    return None if value == "-1" else _span(value)


def _level(value: object) -> int:
    if not isinstance(value, str) or value.lower() not in _LEVELS:
        raise ValueError(f"is no level; write one of {', '.join(name.capitalize() for name in _LEVELS)}")
    return _LEVELS[value.lower()]


Span = Annotated[timedelta, BeforeValidator(_span)]
Level = Annotated[int, BeforeValidator(_level)]
_Count = Annotated[int, Field(strict=True, ge=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class ServiceBusOptions(_Part):
    """`extensions.serviceBus`: they hold for every queue function of the app."""

    prefetch_count: Annotated[int, Field(strict=True, ge=0)] = 0
    auto_complete_messages: bool = True
    max_auto_lock_renewal_duration: Span = timedelta(minutes=5)
    max_concurrent_calls: _Count = Field(default_factory=lambda: 16 * (os.cpu_count() or 1))
    max_concurrent_sessions: _Count = 8
    max_concurrent_calls_per_session: _Count = 1
    max_message_batch_size: _Count = 1000
    min_message_batch_size: _Count = 1
    max_batch_wait_time: Span = timedelta(seconds=30)
    session_idle_timeout: Span = timedelta(minutes=1)
    enable_cross_entity_transactions: bool = False
    transport_type: str = "amqpTcp"
    web_proxy: str | None = None
    client_retry_options: dict[str, Any] = Field(default_factory=dict)


class HttpOptions(_Part):
    """`extensions.http`."""

    route_prefix: str = "api"
    max_outstanding_requests: int = Field(default=200, strict=True, ge=-1)
    max_concurrent_requests: int = Field(default=100, strict=True, ge=-1)
    dynamic_throttles_enabled: bool = True
    custom_headers: dict[str, str] = Field(default_factory=dict)
    hsts: dict[str, Any] = Field(default_factory=dict)


class Extensions(_Part):
    """`extensions`: those that the local host has."""

    http: HttpOptions = Field(default_factory=HttpOptions)
    service_bus: ServiceBusOptions = Field(default_factory=ServiceBusOptions)


class Logging(_Part):
    """`logging`: the levels are heeded; what belongs to Application Insights is not."""

    log_level: dict[str, Level] = Field(default_factory=dict)
    file_logging_mode: str = "debugOnly"
    application_insights: dict[str, Any] = Field(default_factory=dict)
    console: dict[str, Any] = Field(default_factory=dict)


class HostFile(_Part):
    """The whole file. Members without effect on one machine are taken and not heeded."""

    version: Annotated[str, Field(pattern=r"^2\.0$")]
    function_timeout: Annotated[timedelta | None, BeforeValidator(_timeout)] = timedelta(minutes=30)
    extensions: Extensions = Field(default_factory=Extensions)
    logging: Logging = Field(default_factory=Logging)
    functions: tuple[str, ...] = ()
    extension_bundle: dict[str, Any] = Field(default_factory=dict)
    aggregator: dict[str, Any] = Field(default_factory=dict)
    concurrency: dict[str, Any] = Field(default_factory=dict)
    health_monitor: dict[str, Any] = Field(default_factory=dict)
    managed_dependency: dict[str, Any] = Field(default_factory=dict)
    retry: dict[str, Any] = Field(default_factory=dict)
    singleton: dict[str, Any] = Field(default_factory=dict)
    telemetry_mode: str = "applicationInsights"
    watch_directories: tuple[str, ...] = ()
    watch_files: tuple[str, ...] = ()

    def level(self, category: str) -> int:
        """The level of a category: the longest beginning that is named, else `default`, else Information."""
        levels = self.logging.log_level
        named = [name for name in levels if category == name or category.startswith(f"{name}.")]
        return levels[max(named, key=len)] if named else levels.get("default", logging.INFO)


def read(path: Path) -> HostFile:
    """The host file of an app.

    Raises:
        HostError: it is not there, no JSON, or a member is wrong; every problem is told with its place.
    """
    try:
        return HostFile.model_validate(_document(path))
    except ValidationError as problems:
        told = "\n".join(f"  {_told(one)}" for one in problems.errors(include_url=False, include_input=False))
        raise HostError(f"{path} is not as the host wants it:\n{told}") from None


def _document(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise HostError(f'{path} is not there; a function app needs one, at least {{"version": "2.0"}}') from None
    except OSError as error:
        raise HostError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise HostError(f"{path} is no JSON: {error}") from None


def _told(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"]) or "the file"
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {'is not known here' if problem['type'] == 'extra_forbidden' else text}"
