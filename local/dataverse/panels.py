"""The parts of the page that tell how much of the limits is used, and which faults are on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from html import escape
from typing import TYPE_CHECKING

from local.dataverse.faults import Fault
from local.dataverse.faults.queue import Waiting
from local.dataverse.limits import Gate, Gauge

if TYPE_CHECKING:
    from local.dataverse.application import Application

_HIDDEN = frozenset(("kind", "count", "headers"))


def panels(application: Application) -> str:
    """Both parts, as HTML."""
    return f"{_limits(application)}{_faults(application.faults.waiting)}"


def _limits(application: Application) -> str:
    gate, names = application.gate, application.names
    rows = "".join(_gauge(gauge, names.get(gauge.user, gauge.user)) for gauge in gate.gauges())
    heads = _heads("User", "Server", "Requests", "Execution", "At once", "Refused", "Pause")
    day = ", ".join(f"{escape(names.get(user, user))} {n:,}" for user, n in application.entitlement.used.items())
    table = f'<div class="wide"><table>{heads}{rows}</table></div>' if rows else "<p>Nobody has asked yet.</p>"
    return (
        f"<section><h2>Limits<small>{_summary(gate)}</small></h2>{table}"
        f"<p>Requests of today that count for the entitlement: {day or 'none'}</p></section>"
    )


def _summary(gate: Gate) -> str:
    limits = gate.limits
    if not gate.on:
        return "off; switch them on with --limits"
    servers = f"{limits.servers} web server{'' if limits.servers == 1 else 's'}"
    time = f", {limits.call_ms:g} ms per call + {limits.row_ms:g} ms per row" if limits.call_ms or limits.row_ms else ""
    return f"{servers}, window of {limits.window:g} s, hint {limits.hint}{time}"


def _gauge(gauge: Gauge, name: str) -> str:
    pause = f'<td class="number bad">{gauge.blocked_s:,.1f} s</td>' if gauge.blocked_s else '<td class="none">–</td>'
    return (
        f"<tr><td>{escape(name)}</td><td>{gauge.server}</td>"
        f"<td>{_meter(gauge.requests, gauge.requests_limit, f'{gauge.requests:,}')}</td>"
        f"<td>{_meter(gauge.execution_s, gauge.execution_limit_s, f'{gauge.execution_s:,.1f} s')}</td>"
        f"<td>{_meter(gauge.concurrent, gauge.concurrent_limit, f'{gauge.concurrent} (most {gauge.peak})')}</td>"
        f'<td class="number{" bad" if gauge.refused else ""}">{gauge.refused:,}</td>{pause}</tr>'
    )


def _meter(used: float, limit: float | None, told: str) -> str:
    if limit is None:
        return escape(told)
    bar = f'<meter min="0" max="{limit:g}" high="{limit * 0.8:g}" optimum="0" value="{min(used, limit):g}"></meter>'
    return f"{bar} {escape(told)} <small>of {limit:,g}</small>"


def _faults(waiting: Iterable[Waiting]) -> str:
    rows = "".join(_fault(one) for one in waiting)
    if not rows:
        return "<section><h2>Faults<small>none is on</small></h2></section>"
    heads = _heads("", "What happens", "To which requests", "Matched", "Came", "Left")
    return f'<section><h2>Faults</h2><div class="wide"><table>{heads}{rows}</table></div></section>'


def _fault(one: Waiting) -> str:
    left = "always" if one.left is None else f"{one.left:,}"
    numbers = "".join(f'<td class="number">{text}</td>' for text in (f"{one.matched:,}", f"{one.hits:,}", left))
    told = f"<td><code>{escape(one.fault.kind)}</code></td><td>{escape(_matched(one.fault))}</td>"
    return f"<tr><td>{one.number}</td>{told}{numbers}</tr>"


def _matched(fault: Fault) -> str:
    """What a fault says besides its kind."""
    usual = Fault()
    named = [(field.name, getattr(fault, field.name)) for field in fields(fault) if field.name not in _HIDDEN]
    told = [f"{name} {str(value)[:80]}" for name, value in named if value != getattr(usual, name)]
    return ", ".join(told) or "all"


def _heads(*names: str) -> str:
    numbers = ("Refused", "Pause", "Matched", "Came", "Left")
    cells = (f"<th{' class="number"' if name in numbers else ''}>{name}</th>" for name in names)
    return f"<tr>{''.join(cells)}</tr>"
