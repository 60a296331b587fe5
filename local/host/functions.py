"""The functions of an app as the host sees them: what triggers each, with its settings looked up and checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from local.host.appsettings import resolved
from local.host.engine import Indexed
from local.host.ncrontab import Ncrontab
from local.host.refusals import HostError
from local.host.routes import Template


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """Called by requests to a route; `level` is anonymous, function or admin."""

    name: str
    methods: frozenset[str]
    template: Template
    level: str


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """Called when its expression is due; `monitored`: what was missed is noticed at the next start."""

    name: str
    schedule: Ncrontab
    on_startup: bool
    monitored: bool


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """Called with each message of a queue; `connection` names the setting that leads to it."""

    name: str
    queue: str
    connection: str
    sessions: bool


@dataclass(frozen=True, slots=True)
class Triggers:
    """All functions by kind."""

    http: tuple[HttpTrigger, ...]
    timers: tuple[TimerTrigger, ...]
    queues: tuple[QueueTrigger, ...]


def triggers(functions: Iterable[Indexed], environ: Mapping[str, str], *, prefix: str) -> Triggers:
    """The triggers of an app. `prefix` stands before every route.

    Raises:
        HostError: a trigger is of a kind that is not here, or a part of it is wrong; every problem is told.
    """
    found: list[HttpTrigger | TimerTrigger | QueueTrigger] = []
    problems = []
    for function in functions:
        try:
            found.append(_trigger(function, environ, prefix))
        except HostError as problem:
            problems.append(f"function {function.name}: {problem}")
    if problems:
        raise HostError("\n".join(problems))
    return Triggers(
        tuple(one for one in found if isinstance(one, HttpTrigger)),
        tuple(one for one in found if isinstance(one, TimerTrigger)),
        tuple(one for one in found if isinstance(one, QueueTrigger)),
    )


def _trigger(function: Indexed, environ: Mapping[str, str], prefix: str) -> HttpTrigger | TimerTrigger | QueueTrigger:
    kind = str(function.trigger["type"])
    if kind == "httpTrigger":
        return _http(function, prefix)
    if kind == "timerTrigger":
        return _timer(function, environ)
    if kind == "serviceBusTrigger" and function.trigger.get("queueName"):
        return _queue(function, environ)
    what = "a topic's trigger" if kind == "serviceBusTrigger" else f"a {kind}"
    raise HostError(f"{what} is not built into the local host; it has HTTP, timer and Service Bus queue triggers")


def _http(function: Indexed, prefix: str) -> HttpTrigger:
    trigger = function.trigger
    route = str(trigger.get("route") or function.name).strip("/")
    methods = frozenset(str(method).upper() for method in trigger.get("methods") or ())
    level = str(trigger.get("authLevel") or "function").lower()
    return HttpTrigger(function.name, methods, Template.read(f"{prefix}/{route}".strip("/")), level)


def _timer(function: Indexed, environ: Mapping[str, str]) -> TimerTrigger:
    trigger = function.trigger
    schedule = Ncrontab.read(resolved(str(trigger["schedule"]), environ, where="its schedule"))
    monitored = trigger.get("useMonitor") is not False and not schedule.under_a_minute
    return TimerTrigger(function.name, schedule, bool(trigger.get("runOnStartup")), monitored)


def _queue(function: Indexed, environ: Mapping[str, str]) -> QueueTrigger:
    trigger = function.trigger
    if str(trigger.get("cardinality") or "one").lower() != "one":
        raise HostError('cardinality "many" is not built into the local host; take single messages ("one")')
    queue = resolved(str(trigger["queueName"]), environ, where="its queue_name")
    return QueueTrigger(function.name, queue, str(trigger["connection"]), bool(trigger.get("isSessionsEnabled")))
